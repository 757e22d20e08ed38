"""How the server stands, for whoever started it: ready or not, and what is live, in one line."""

from serve.rollout import Rollout
from serve.shutdown import Shutdown
from serve.systemd import Standing


def settled(rollout: Rollout) -> bool:
    """Whether the first release is live, or known not to be: from then on callers get answers that mean something."""
    return rollout.live is not None or rollout.failure is not None


def standing(rollout: Rollout, shutdown: Shutdown) -> Standing:
    """Ready from when the first release is settled; a release that does not go live does not unmake that."""
    return Standing(
        ready=settled(rollout),
        reloading=rollout.live is not None and _coming(rollout),
        stopping=shutdown.begun,
        status=_status(rollout, shutdown),
    )


def _coming(rollout: Rollout) -> bool:
    """Whether another pin than the live one is being made ready."""
    wanted, live = rollout.desired, rollout.live
    return wanted is not None and rollout.failure is None and (live is None or live.pin != wanted)


def _status(rollout: Rollout, shutdown: Shutdown) -> str:
    if shutdown.begun:
        return "finishing what was taken"
    live = ", ".join(f"{name} {one.snapshot.digest[7:19]}" for name, one in rollout.models.items())
    told = [f"live: {live}" if live else "nothing is live yet"]
    if rollout.failure is not None:
        told.append(f"{rollout.failure.code}: {rollout.failure.message}")
    elif _coming(rollout):
        told.append("a release is being made ready")
    return "; ".join(told)
