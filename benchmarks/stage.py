"""What a benchmark runs on: models logged and promoted in a scratch folder, and the servers of the comparison."""

import io
import os
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import structlog

from benchmarks import models, servers
from benchmarks.models import Subject
from benchmarks.servers import Running, Server

log = structlog.get_logger()

_CONFIG = "[core]\n    remote = origin\n    analytics = false\n['remote \"origin\"']\n    url = ../remote\n"


class Stage:
    """Everything below `folder`, which is made anew or used again; `ours` and `peers` are virtual environments."""

    def __init__(self, folder: Path, ours: Path, peers: Path) -> None:
        self.folder, self.ours, self.peers = folder, ours, peers
        folder.mkdir(parents=True, exist_ok=True)
        self.t = models.make_mlp(folder / "models" / "t")
        self.other_t = models.make_mlp(folder / "models" / "other-t", seed=8)
        self.f = models.make_pipeline_of_columns(folder / "models" / "f")
        self.c = models.make_resnet(folder / "models" / "c")
        for one in (self.t, self.f, self.c):
            np.save(one.folder.parent / f"{one.name}.rows.npy", one.rows)

    @property
    def state(self) -> Path:
        return self.folder / "state"

    def repository(self, name: str, promoted: Sequence[tuple[str, Subject]]) -> Path:
        """A repository in which these models were promoted, under these names, one after another; once for all runs."""
        repo = self.folder / "repositories" / name / "repo"
        if not repo.exists():
            _new(repo)
        self.pin(repo, len(_promotions(repo)))
        for model, subject in promoted[len(_promotions(repo)) :]:
            log.info("promoting", repository=name, model=model)
            command = [str(self.ours / "bin" / "promote"), str(subject.folder), "--name", model, "--repo", str(repo)]
            environment = {**os.environ, "PINION_ARTIFACT__STATE": str(self.state)}
            done = subprocess.run(command, capture_output=True, text=True, env=environment)
            if done.returncode:
                raise RuntimeError(f"promotion failed: {done.stderr[-2000:]}")
        return repo

    def pin(self, repo: Path, promotions: int) -> None:
        """Roll the repository back, or on, to what it pinned after so many promotions."""
        if promotions:
            _git(repo, "checkout", "--quiet", _promotions(repo)[promotions - 1], "--", "models.dvc")

    def pinion(self, repo: Path, **settings: str) -> Server:
        return servers.pinion(repo, self.ours, PINION_ARTIFACT__STATE=str(self.state), **settings)

    def peers_of(self, subject: Subject) -> list[Server]:
        """The others, serving the same model."""
        return [
            servers.mlflow(subject.folder, self.peers / "mlflow"),
            servers.mosec(subject.folder, self.peers / "mosec"),
            servers.mosec(subject.folder, self.peers / "mosec", orjson=True),
            servers.echo(self.ours),
        ]

    @contextmanager
    def running(self, wanted: Iterable[Server], body: bytes) -> Iterator[list[Running]]:
        """All of them at once; idle ones cost nothing."""
        with ExitStack() as stack:
            started = []
            for one in wanted:
                log.info("starting", server=one.name)
                place = self.folder / "logs" / f"{one.name.replace(' ', '-')}.log"
                place.parent.mkdir(exist_ok=True)
                started.append(stack.enter_context(one.running(body, place)))
            yield started


def npy(array: np.ndarray) -> bytes:  # type: ignore[type-arg]
    """An array as a .npy file."""
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def _new(repo: Path) -> None:
    (repo / ".dvc").mkdir(parents=True)
    (repo / ".dvc" / "config").write_text(_CONFIG)
    (repo / ".dvc" / ".gitignore").write_text("/config.local\n/tmp\n/cache\n")
    (repo / ".gitignore").write_text("/models\n")
    for arguments in (
        ("init", "--quiet", "--initial-branch=main"),
        ("config", "user.name", "Benchmark"),
        ("config", "user.email", "benchmark@example.org"),
        ("add", "--all"),
        ("commit", "--quiet", "--message=Begin"),
    ):
        _git(repo, *arguments)


def _promotions(repo: Path) -> list[str]:
    """The commits that changed models.dvc, oldest first."""
    return _git(repo, "rev-list", "--reverse", "HEAD", "--", "models.dvc").split()


def _git(repo: Path, *arguments: str) -> str:
    return subprocess.run(["git", "-C", str(repo), *arguments], check=True, stdout=subprocess.PIPE, text=True).stdout
