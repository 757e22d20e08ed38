"""What a promotion is to do, as data."""

from dataclasses import dataclass
from pathlib import Path

from promote.source import Candidate
from serve.artifact.fetch import Store


@dataclass(frozen=True, slots=True)
class Patience:
    """How long what may take, in seconds: an environment, loading, one prediction, one transfer by MLflow
    or DVC."""

    build_seconds: float
    load_seconds: float
    predict_seconds: float
    transfer_seconds: float


@dataclass(frozen=True, slots=True)
class Plan:
    """Which model, under which name, from and into which repository, and how patiently."""

    candidate: Candidate
    name: str
    store: Store
    patience: Patience
    dry_run: bool = False

    @property
    def work(self) -> Path:
        """Where its scratch folders are; apart from a server's, which may share the state folder."""
        return self.store.state / "promote"
