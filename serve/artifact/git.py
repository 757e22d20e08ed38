"""git as a subprocess that only reads, and runs nothing that the repository's own configuration names.

A configuration can name programs (to verify, to page, to watch the file system, to fetch what a partial clone lacks)
and objects can be replaced by others. Here what was committed is asked for, so all of that is overridden.
"""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

# Where git itself started us (a hook, an alias) these would point it elsewhere than at the repository.
_NOT_OURS = (
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_PREFIX",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_NAMESPACE",
    "GIT_GRAFT_FILE",
    "GIT_SHALLOW_FILE",
    "GIT_REPLACE_REF_BASE",
    "GIT_EXTERNAL_DIFF",
)
_STRICT = {
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_GRAFT_FILE": os.devnull,
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_ALLOW_PROTOCOL": "",  # no transport, whatever is missing
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_OPTIONAL_LOCKS": "0",
    "LC_ALL": "C",
}
NO_PROGRAM = "/bin/false"
_OVERRIDDEN = {
    "core.fsmonitor": "false",
    "core.hooksPath": os.devnull,
    "core.sshCommand": NO_PROGRAM,
    "core.alternateRefsCommand": NO_PROGRAM,
    "core.commitGraph": "false",  # it repeats what commits say, and need not say the same
    "safe.directory": "*",  # whoever owns the repository: nothing that it names is run
    "advice.graftFileDeprecated": "false",  # it is ours, and empty
    "log.showSignature": "false",
    "log.mailmap": "false",
    "gpg.format": "openpgp",
    "gpg.program": NO_PROGRAM,
    "gpg.openpgp.program": NO_PROGRAM,
    "gpg.x509.program": NO_PROGRAM,
    "gpg.ssh.program": NO_PROGRAM,
    "gpg.ssh.defaultKeyCommand": NO_PROGRAM,
}


def ask(
    repo: Path, *arguments: str, given: bytes = b"", settings: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[bytes]:
    """Run git with `given` on its stdin, and with `settings` over the repository's own; `OSError` without git."""
    overridden: list[str] = []
    for key, value in (_OVERRIDDEN | dict(settings or {})).items():
        overridden += ["-c", f"{key}={value}"]
    command = ["git", "--no-pager", *overridden, "-C", str(repo), *arguments]
    outer = {key: value for key, value in os.environ.items() if key not in _NOT_OURS}
    return subprocess.run(command, input=given, capture_output=True, check=False, env={**outer, **_STRICT})


def silence(repo: Path) -> str:
    """Why git tells nothing of the repository, in a few words; '' where it does."""
    try:
        done = ask(repo, "rev-parse", "--git-dir")
    except OSError as error:
        return f"git can't be run: {error.strerror}"
    if done.returncode == 0:
        return ""
    told = done.stderr.decode(errors="replace").partition("\n")[0].removeprefix("fatal: ")
    return f"{repo} is no git repository" if "not a git repository" in told else f"git tells nothing of {repo}: {told}"


def answer(repo: Path, *arguments: str, given: bytes = b"") -> bytes | None:
    """What git answers; None where it fails, or is not there."""
    try:
        done = ask(repo, *arguments, given=given)
    except OSError:
        return None
    return done.stdout if done.returncode == 0 else None
