"""What a pool's metrics tell of it at this moment, read when they are asked for: its queue, and its workers' processes.

Of two pools of one model, as there are while a release is replaced, the metrics have the sum.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import psutil

from serve.batch.batcher import Batcher
from serve.metrics import Metrics
from serve.metrics.collectors import Samples
from serve.worker.process import Command, Process, State


class Gauges:
    """Those of one pool, until they are closed."""

    def __init__(
        self, metrics: Metrics, command: Command, batcher: Batcher, processes: Callable[[], Sequence[Process]]
    ) -> None:
        self._name, self._digest, self._batcher, self._processes = command.name, command.digest, batcher, processes
        self._sources = (
            (metrics.queue_rows, self._rows),
            (metrics.queue_wait_seconds, self._wait),
            (metrics.workers, self._states),
            (metrics.worker_memory_bytes, self._memory),
            (metrics.worker_cpu_seconds, self._cpu),
        )
        for metric, source in self._sources:
            metric.add(source)

    def close(self) -> None:
        """Tell of the pool no more."""
        for metric, source in self._sources:
            metric.remove(source)

    def _rows(self) -> Samples:
        yield (self._name,), self._batcher.rows

    def _wait(self) -> Samples:
        yield (self._name,), self._batcher.wait()

    def _states(self) -> Samples:
        counted = Counter(one.state for one in self._processes())
        for state in State:
            yield (self._name, self._digest, state), counted[state]

    def _memory(self) -> Samples:
        return self._of_each(lambda process: float(process.memory_info().rss))

    def _cpu(self) -> Samples:
        return self._of_each(_cpu_seconds)

    def _of_each(self, read: Callable[[psutil.Process], float]) -> Iterator[tuple[tuple[str, ...], float]]:
        for at, one in enumerate(self._processes()):
            if one.pid and one.state is not State.DEAD:
                try:
                    value = read(psutil.Process(one.pid))
                except psutil.Error:  # it ends this very moment
                    continue
                yield (self._name, self._digest, str(at)), value


def _cpu_seconds(process: psutil.Process) -> float:
    """In the process's own code and in the kernel, for it."""
    times = process.cpu_times()
    return float(times.user + times.system)
