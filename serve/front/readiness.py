"""Whether requests are to be sent here: where every live model can answer, and the server is not about to stop."""

from serve.rollout import Deployed, Rollout
from serve.shutdown import Shutdown


class Readiness:
    """For probes, in every dialect. Requests that come all the same are answered as long as anybody can."""

    def __init__(self, rollout: Rollout, shutdown: Shutdown) -> None:
        self._rollout, self._shutdown = rollout, shutdown

    @property
    def stopping(self) -> bool:
        return self._shutdown.begun

    @property
    def ready(self) -> bool:
        return self._rollout.ready and not self.stopping

    def of(self, deployed: Deployed) -> bool:
        """Of one model."""
        return deployed.pool.alive > 0 and not self.stopping
