"""Which commit trained: the state of the repository that holds this package.

Goes out: MLflow's own source tags. Nothing is claimed where the package is not under version control (an
installed wheel inside somebody's repository is not that repository's code).
"""

import subprocess
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]


def source_tags(package: Path = PACKAGE) -> dict[str, str]:
    """`mlflow.source.git.commit`, `.branch` and `.dirty` ("true" or "false"); empty where unknown.

    Dirty means that tracked files differ from the commit or untracked, not ignored ones lie about.
    """
    commit = _git(package, "rev-parse", "HEAD")
    tracked = _git(package, "ls-files", "--error-unmatch", "__init__.py")
    status = _git(package, "status", "--porcelain")
    if commit is None or tracked is None or status is None:
        return {}
    tags = {"mlflow.source.git.commit": commit, "mlflow.source.git.dirty": "true" if status else "false"}
    branch = _git(package, "symbolic-ref", "--short", "--quiet", "HEAD")
    return tags | ({"mlflow.source.git.branch": branch} if branch else {})


def _git(folder: Path, *arguments: str) -> str | None:
    """What git says, or None where it refuses or is not installed."""
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=True, timeout=30
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
