"""DVC's own command in a process of its own, `python -P -m serve.artifact.dvc_main ARGUMENTS`; nothing imports this.

As anybody runs it, but for one thing: DVC takes whoever answers for the SSH host that it asked, and here a host is
believed only where this machine knows its key.
"""

import sys

from dvc.cli import main
from dvc.fs import known_implementations

if __name__ == "__main__":
    known_implementations["ssh"] = {**known_implementations["ssh"], "class": "serve.artifact.known_hosts.SSHFileSystem"}
    sys.exit(main(sys.argv[1:]))
