"""Repositories for tests: of git and DVC, with a remote of their own."""

import subprocess
from pathlib import Path

_CONFIG = "[core]\n    remote = origin\n    analytics = false\n['remote \"origin\"']\n    url = ../remote\n"


def new_repository(folder: Path) -> Path:
    """An empty repository of git and DVC, whose default remote is its folder `remote`."""
    (folder / ".dvc").mkdir(parents=True)
    (folder / ".dvc" / "config").write_text(_CONFIG)
    (folder / ".dvc" / ".gitignore").write_text("/config.local\n/tmp\n/cache\n")
    (folder / ".gitignore").write_text("/models\n/remote\n/.pinion\n/mlflow.db\n/mlruns\n")
    (folder / "README").write_text("Hello.\n")
    for arguments in (
        ("init", "--quiet", "--initial-branch=main"),
        ("config", "user.name", "Ada"),
        ("config", "user.email", "ada@example.org"),
        ("add", "--all"),
        ("commit", "--quiet", "--message=Begin"),
    ):
        subprocess.run(["git", "-C", str(folder), *arguments], check=True)
    return folder
