"""What a promotion is to do, as data."""

from dataclasses import dataclass
from pathlib import Path

from promote.sign import Signer
from promote.source import Candidate
from serve.artifact.fetch import Store
from serve.worker.confinement import Confinement


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
    signer: Signer | None = None
    allow_pickle: bool = True
    from_source: bool = False
    confinement: Confinement = Confinement()  # noqa: RUF009  # frozen

    @property
    def work(self) -> Path:
        """Where its scratch folders are; apart from a server's, which may share the state folder."""
        return self.store.state / "promote"
