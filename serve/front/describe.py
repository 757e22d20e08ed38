"""What is live and what is desired, as plain JSON for `GET /models` and `/health/ready`. Only reads."""

import re
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from serve.artifact.commits import Origin
from serve.artifact.pin import Pin
from serve.attempts import Attempt, Attempts
from serve.front.readiness import Readiness
from serve.rollout import Deployed, Live, Rollout
from serve.signature.spec import Column, Param, Signature, TensorSpec, words
from serve.worker.pool import Pool

_FOLDERS = re.compile(r"(?<![\w.:/])/(?:[^\s/'\"()]+/)+(?=[^\s/'\"()])")
_USER = re.compile(r"(\w://)[^\s/@]+@")


def models(rollout: Rollout) -> dict[str, Any]:
    """Per model what is live; beside it what git desires, why that is not live where it is not, and what is held."""
    return {
        "models": {name: deployed(one) for name, one in rollout.models.items()},
        "desired": pin(rollout.desired),
        "live": pin(rollout.live.pin if rollout.live else None),
        "held": pin(rollout.held.pin if rollout.held else None),
        "release": release(rollout.live),
        "failure": failure(rollout),
    }


def readiness(rollout: Rollout, readiness: Readiness) -> dict[str, Any]:
    """Ready or not, or about to stop; each model's workers, why it is not ready where it is not; the last failure."""
    workers = {name: _workers(name, one.pool) for name, one in rollout.models.items()}
    return {
        "ready": readiness.ready,
        "stopping": readiness.stopping,
        "models": workers,
        "failure": failure(rollout),
    }


def readiness_alone(readiness: Readiness) -> dict[str, Any]:
    """The same for whoever asks: no name of a model, and nothing that went wrong."""
    return {"ready": readiness.ready, "stopping": readiness.stopping}


def _workers(name: str, pool: Pool) -> dict[str, Any]:
    alive, states = pool.alive, [str(worker["state"]) for worker in pool.workers]
    if alive:
        return {"ready": alive, "workers": len(states), "reason": None}
    why = f" ({shown(pool.why)})" if pool.why else ""
    told = f"model '{name}' has no worker that can answer: {', '.join(states)}{why}"
    return {"ready": alive, "workers": len(states), "reason": told}


def deployed(one: Deployed) -> dict[str, Any]:
    """One live model."""
    return {
        "name": one.snapshot.name,
        "state": one.pool.state,
        "digest": one.snapshot.digest,
        "revision": one.revision,
        "run": one.snapshot.promotion.run,
        "metrics": one.snapshot.promotion.metrics,
        "since": one.since,
        "signature": signature(one.snapshot.signature),
        "batchable": one.snapshot.promotion.batchable,
        "python": one.snapshot.recipe.python,
        "sandbox": one.pool.sandbox.facts,
        "workers": one.pool.workers,
    }


def pin(one: Pin | None) -> dict[str, Any] | None:
    """The digest of each model that a pin names."""
    return {model.name: model.digest for model in one.models} if one is not None else None


def release(live: Live | None) -> dict[str, Any] | None:
    """The commit that the live release is from ('' where git has none), its age, and who signed it, where asked."""
    if live is None:
        return None
    origin = live.origin or Origin("", "")
    return {
        "commit": origin.revision,
        "date": origin.date,
        "signer": origin.signer,
        "older_than_previous": live.older_than_previous,
    }


def failure(rollout: Rollout) -> dict[str, str] | None:
    """Why the desired pin is not live; None where it is, or is on its way."""
    one = rollout.failure
    return {"code": one.code, "message": shown(one.message), "at": one.at} if one is not None else None


def rollouts(attempts: Attempts) -> dict[str, Any]:
    """What was tried, the newest last; and the step that is going on, with how far it is."""
    doing = attempts.doing
    now = {"step": doing.step, "told": doing.told, "progress": shown(doing.progress)} if doing is not None else None
    return {"attempts": [attempt(one) for one in attempts], "doing": now}


def attempt(one: Attempt) -> dict[str, Any]:
    """One attempt to make a pin live."""
    steps = [{"step": step, "seconds": seconds} for step, seconds in one.steps]
    return {**asdict(one), "steps": steps, "reason": shown(one.reason)}


def shown(told: str) -> str:
    """A reason as callers may see it: no folder of this machine, no user of a URL. The log has it whole."""
    return _FOLDERS.sub("", _USER.sub(r"\1", told))


def signature(one: Signature) -> dict[str, Any]:
    """A signature with MLflow's own words."""
    return {
        "inputs": [_field(field) for field in one.columns or one.tensors],
        "outputs": [_field(field) for field in one.outputs],
        "params": [_param(param) for param in one.params],
    }


def _field(field: Column | TensorSpec) -> Mapping[str, Any]:
    if isinstance(field, Column):
        return {"name": field.name, "type": words(field.type), "required": field.required}
    return {"name": field.name, "type": "tensor", "dtype": field.dtype, "shape": field.shape}


def _param(param: Param) -> Mapping[str, Any]:
    return {"name": param.name, "type": words(param.type), "default": param.told, "shape": param.shape}
