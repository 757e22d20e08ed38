"""What is live in a running server, as a pin: the commit's own where git has it here, else what the server says."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from serve.artifact import history
from serve.artifact.pin import Pin, PinnedModel
from serve.commands.server import Target, Unanswered


@dataclass(frozen=True, slots=True)
class LiveRelease:
    """The pin that is live, and its commit ('' where it is not known)."""

    pin: Pin
    revision: str

    @property
    def digests(self) -> Mapping[str, str]:
        return digests(self.pin)


def digests(pin: Pin | None) -> Mapping[str, str]:
    """The digest of each model."""
    return {model.name: model.digest for model in pin.models} if pin is not None else {}


def live(server: Target, repo: Path) -> LiveRelease | None:
    """What is live there; None where nothing is, or nobody answers who would tell."""
    try:
        told = server.json("/models")
    except Unanswered:
        return None
    if not isinstance(told, dict) or not told.get("live"):
        return None
    commit = str((told.get("release") or {}).get("commit", ""))
    found = history.pin_at(repo, commit) if commit else None
    if found is not None and found[1] is not None and digests(found[1]) == told["live"]:
        return LiveRelease(found[1], commit)
    return LiveRelease(_as_told(told["models"]), commit)


def _as_told(models: Mapping[str, Any]) -> Pin:
    """The models as the server tells them, without where DVC has them."""
    pinned = [
        PinnedModel(
            name, str(one["digest"]), str(one["run"]), {key: float(value) for key, value in one["metrics"].items()}
        )
        for name, one in sorted(models.items())
    ]
    return Pin("", 0, 0, tuple(pinned))
