"""DVC's way to SSH remotes, to hosts that this machine knows; only the process of DVC itself imports this.

Known are those of the user's and of the system's `known_hosts`, or of the files that the user's SSH configuration
names. Whoever stands between could not change a byte of a model, which is verified, but would be shown a password, and
could use an agent that is forwarded: none is.
"""

import os
from pathlib import Path
from typing import Any

import dvc_ssh
from sshfs.config import parse_config

_FILES = ("~/.ssh/known_hosts", "/etc/ssh/ssh_known_hosts")


class SSHFileSystem(dvc_ssh.SSHFileSystem):
    """DVC's, which asks for a host's key where its own would take any."""

    def _prepare_credentials(self, **config: Any) -> dict[str, Any]:
        login: dict[str, Any] = super()._prepare_credentials(**config)
        return {**login, "known_hosts": _known(config["host"]), "agent_forwarding": False}


def _known(host: str) -> Any:
    """For asyncssh: files, or () for what the user's configuration of SSH says."""
    try:
        if parse_config(host=host).get("UserKnownHostsFile") is not None:
            return ()
    except FileNotFoundError:
        pass
    files = [Path(one).expanduser() for one in _FILES]
    return [str(one) for one in files if one.is_file() and os.access(one, os.R_OK)] or b""
