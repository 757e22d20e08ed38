"""Commands as a user without privileges, where the tests are run by root."""

import os
import shlex
import sys
from pathlib import Path

NOBODY = 65534


def as_nobody() -> list[str]:
    """What to put before a command; nothing where we have no privileges ourselves.

    Root's own folders, which may hold the interpreter, are closed to others: for the command alone, an empty folder
    lies over the closed one, with the interpreter's installation in its place within.
    """
    if os.geteuid() != 0:
        return []
    steps, installed = ["set -e"], Path(os.path.realpath(sys.executable)).parent.parent
    closed = next((one for one in reversed(installed.parents) if not one.stat().st_mode & 0o001), None)
    if closed is not None:
        steps += [
            "aside=$(mktemp -d)",
            f"mount --bind {shlex.quote(str(installed))} $aside",
            f"mount -t tmpfs -o mode=755 tmpfs {shlex.quote(str(closed))}",
            f"mkdir -p {shlex.quote(str(installed))}",
            f"mount --move $aside {shlex.quote(str(installed))}",
            "rmdir $aside",
        ]
    steps.append(f'exec setpriv --reuid={NOBODY} --regid={NOBODY} --clear-groups --inh-caps=-all "$@"')
    return ["unshare", "--mount", "sh", "-c", "\n".join(steps), "sh"]


def give(folder: Path) -> None:
    """Let that user own all that is in `folder`."""
    if os.geteuid() == 0:
        for path in (folder, *folder.rglob("*")):
            os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
