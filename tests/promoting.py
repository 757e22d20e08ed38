"""A repository of git and DVC, an MLflow store, and the command `promote` between them, all real."""

import hashlib
import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import mlflow
import pytest
import structlog
from mlflow import MlflowClient
from mlflow.entities import LoggedModelOutput
from typer.testing import CliRunner

with warnings.catch_warnings():  # MLflow's pyfunc warns of its own type hints as it is imported
    warnings.simplefilter("ignore")
    from promote.__main__ import cli
from serve.artifact import pin
from serve.artifact.pin import Pin

PROMOTE = Path(sys.executable).with_name("promote")
# MLflow 3.17 uses what SQLAlchemy 2.1 and pandas 3 have deprecated.
MLFLOWS_OWN_WARNINGS = [
    pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:Operation with range is deprecated:DeprecationWarning"),
]
_EPHEMERAL = {".git", ".pinion", "remote", "cache", "tmp", "mlflow.db"}


_SET_BY_PROMOTE = ("MLFLOW_TRACKING_URI", "MLFLOW_HTTP_REQUEST_MAX_RETRIES", "MLFLOW_HTTP_REQUEST_TIMEOUT")


@contextmanager
def _undisturbed() -> Iterator[None]:
    """A command may set what belongs to the whole process; this one has other tests to run."""
    log, level = structlog.get_config(), logging.getLogger("mlflow").level
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        mlflow.set_tracking_uri(None)  # type: ignore[arg-type]
        structlog.configure(**log)
        for number, handler in handlers.items():
            signal.signal(number, handler)
        logging.getLogger("mlflow").setLevel(level)


@dataclass(frozen=True)
class Told:
    """How a command ended, and what it said."""

    code: int
    stdout: str
    stderr: str

    @property
    def refusal(self) -> str:
        """The one line it ended with; whatever happens that is a sentence, and never a traceback."""
        assert self.code != 0, self.stderr
        assert "Traceback" not in self.stderr + self.stdout
        assert self.stdout == ""
        last = self.stderr.splitlines()[-1]
        assert last.startswith("promote: "), self.stderr
        return last.removeprefix("promote: ")

    @property
    def revision(self) -> str:
        """All there is on stdout."""
        assert self.code == 0, self.stderr
        assert "Traceback" not in self.stderr
        return self.stdout.removesuffix("\n")


@dataclass(frozen=True)
class Repository:
    """A repository at `folder`, whose MLflow is its own `mlflow.db`; `state` may be shared."""

    folder: Path
    state: Path
    variables: dict[str, str] = field(default_factory=dict)

    def git(self, *arguments: str) -> str:
        done = subprocess.run(["git", "-C", str(self.folder), *arguments], capture_output=True, text=True, check=True)
        return done.stdout.strip()

    @property
    def environment(self) -> dict[str, str]:
        nobodys = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
        return {**nobodys, "PINION_ARTIFACT__STATE": str(self.state), **self.variables}

    def promote(self, *arguments: str | Path) -> Told:
        """The command, as a person types it."""
        done = subprocess.run(self.command(*arguments), capture_output=True, text=True, env=self.whole_environment)
        return Told(done.returncode, done.stdout, done.stderr)

    def command(self, *arguments: str | Path) -> list[str]:
        return [str(PROMOTE), *map(str, arguments), "--repo", str(self.folder)]

    @property
    def whole_environment(self) -> dict[str, str]:
        """This process's, but for what a test before this one may have told MLflow in it."""
        ours = {name: value for name, value in os.environ.items() if name not in _SET_BY_PROMOTE}
        return {**ours, **self.environment}

    def promote_here(self, *arguments: str | Path) -> Told:
        """The same within this process, which has MLflow imported already."""
        environment = dict.fromkeys(_SET_BY_PROMOTE) | self.environment
        with _undisturbed():
            done = CliRunner().invoke(cli, [*map(str, arguments), "--repo", str(self.folder)], env=environment)
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        return Told(done.exit_code, done.stdout, done.stderr)

    @property
    def mlflow(self) -> MlflowClient:
        return MlflowClient(f"sqlite:///{self.folder / 'mlflow.db'}")

    def pin(self, revision: str = "HEAD") -> Pin:
        return pin.read((self.git("show", f"{revision}:models.dvc") + "\n").encode())

    def pinned(self, path: str) -> dict[str, object]:
        """A JSON file of the work tree's models/."""
        found: dict[str, object] = json.loads(
            (self.folder / "models" / path).read_text(), parse_constant=lambda word: 1 / 0
        )
        return found

    def fingerprint(self) -> tuple[object, ...]:
        """All that a refused promotion must leave as it was."""
        files = {
            str(path.relative_to(self.folder)): hashlib.md5(path.read_bytes()).hexdigest()
            for path in sorted(self.folder.rglob("*"))
            if path.is_file() and _EPHEMERAL.isdisjoint(path.relative_to(self.folder).parts)
        }
        head = self.git("for-each-ref"), (self.folder / ".git" / "HEAD").read_text()
        return (*head, self.git("ls-files", "--stage"), self.git("status", "--porcelain"), files)

    def object(self, oid: str) -> Path:
        return self.folder / "remote" / "files" / "md5" / oid[:2] / oid[2:]

    def require_resolvable(self, revision: str = "HEAD") -> None:
        """Every byte that `revision` pins is in the remote."""
        oid = self.pin(revision).oid
        assert hashlib.md5(self.object(oid).read_bytes()).hexdigest() + ".dir" == oid
        for entry in json.loads(self.object(oid).read_text()):
            assert hashlib.md5(self.object(entry["md5"]).read_bytes()).hexdigest() == entry["md5"], entry["relpath"]


@dataclass(frozen=True)
class Logged:
    """A run and the model it logged."""

    run: str
    model: str


def log(
    client: MlflowClient,
    artifacts: Path,
    folder: Path,
    experiment: str = "field",
    run_name: str = "keen-fox",
    status: str = "FINISHED",
    **metrics: float,
) -> Logged:
    """A run that logs `folder` as its model `model`, kept below `artifacts`, with `metrics`; it ends with `status`."""
    found = client.get_experiment_by_name(experiment)
    if found is not None:
        experiment_id = found.experiment_id
    else:
        experiment_id = client.create_experiment(experiment, artifact_location=str(artifacts))
    run = client.create_run(experiment_id, run_name=run_name).info.run_id
    model = client.create_logged_model(experiment_id, name="model", source_run_id=run)
    client.log_model_artifacts(model.model_id, str(folder))
    client.finalize_logged_model(model.model_id, "READY")
    client.log_outputs(run, [LoggedModelOutput(model.model_id, step=0)])
    for name, value in metrics.items():
        client.log_metric(run, name, value)
    if status != "RUNNING":
        client.set_terminated(run, status)
    return Logged(run, model.model_id)


def copied(base: Path, target: Path) -> Path:
    """A copy of a repository for one test."""
    shutil.copytree(base, target, symlinks=True, ignore=shutil.ignore_patterns("mlruns"))
    return target
