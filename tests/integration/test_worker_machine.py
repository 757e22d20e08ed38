"""A pool with two real children, through random orders of requests, faults, callers that leave, kills and freezes."""

import asyncio
import contextlib
import itertools
import os
import signal
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from prometheus_client import CollectorRegistry

from serve.errors import BadOutput, DeadlineExceeded, NotReady, PredictFailed, ServeError, WorkerCrashed
from serve.metrics import Metrics
from serve.signature.predictions import to_json
from serve.worker.pool import Pool
from tests.integration.test_pool import answered, command, request
from tests.integration.test_worker import LIMITS
from tests.models import ORACLE

# What a request with a fault may be told, beside NotReady, where all workers died too often to be waited for.
REFUSALS: dict[str, tuple[type[ServeError], ...]] = {
    "nothing": (),
    "nap:0.02": (),
    "raise": (PredictFailed,),
    "rows-1": (BadOutput,),
    "exit": (WorkerCrashed,),
    "hang": (DeadlineExceeded,),
}
UNLUCKY = (WorkerCrashed, DeadlineExceeded)  # its worker was killed twice; or frozen, and it alone with it


@dataclass
class Asked:
    x: float
    fault: str
    task: "asyncio.Task[bytes]"
    left: bool = False


class Workers(RuleBasedStateMachine):
    """One pool for all examples, on a loop of its own: to start it anew would take a second for each."""

    loop: asyncio.AbstractEventLoop
    pool: Pool
    numbers = itertools.count()  # each asked once, that nobody knows one of them as a killer

    @initialize()
    def begin(self) -> None:
        self.asked: list[Asked] = []
        self.victims: set[int] = set()  # workers killed or frozen from outside

    @rule(fault=st.sampled_from(sorted(REFUSALS)), many=st.integers(1, 5))
    def requests_come(self, fault: str, many: int) -> None:
        for _ in range(many):
            x = float(next(self.numbers))
            self.asked.append(Asked(x, fault, self.loop.create_task(self._ask(x, fault))))

    @rule(which=st.integers(0, 99))  # what is drawn must not follow from how quick the workers are
    def a_caller_leaves(self, which: int) -> None:
        waiting = [one for one in self.asked if not one.task.done()]
        if waiting:
            one = waiting[which % len(waiting)]
            one.left = True
            one.task.cancel()

    @rule(which=st.integers(0, 1), how=st.sampled_from([signal.SIGKILL, signal.SIGSTOP]))
    def a_worker_is_hit(self, which: int, how: signal.Signals) -> None:
        process = self.pool._processes[which]
        if process.state in ("ready", "busy"):
            self.victims.add(process.pid)
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, how)

    @rule()
    def one_is_answered(self) -> None:
        waiting = [one.task for one in self.asked if not one.task.done()]
        if waiting:
            self.loop.run_until_complete(asyncio.wait(waiting, timeout=20.0, return_when=asyncio.FIRST_COMPLETED))

    @invariant()
    def whoever_was_answered_was_answered_right(self) -> None:
        for one in [one for one in self.asked if one.task.done()]:
            self.asked.remove(one)
            if one.task.cancelled():
                assert one.left
            elif (error := one.task.exception()) is None:
                assert one.task.result() == answered(one.x)
                assert not REFUSALS[one.fault]
            else:
                expected = (*REFUSALS[one.fault], NotReady, *(UNLUCKY if self.victims else ()))
                assert isinstance(error, expected), (one, error)

    def teardown(self) -> None:
        """Everybody is answered, and nothing is left waiting."""
        waiting = [one.task for one in self.asked]
        if waiting:
            _, late = self.loop.run_until_complete(asyncio.wait(waiting, timeout=60.0))
            assert not late
            self.whoever_was_answered_was_answered_right()
        assert len(self.pool._unsettled) == 0
        self.loop.run_until_complete(self._until_whole())

    async def _until_whole(self) -> None:
        """No harm done here befalls the next example: the victims are found out, and others have their places."""
        async with asyncio.timeout(120.0):
            while not self._is_whole():  # noqa: ASYNC110  # nothing tells
                await asyncio.sleep(0.01)
        self.pool._shared.backoff.answered()  # the next example is not to wait for this one's deaths

    def _is_whole(self) -> bool:
        """Rows of those who left are queued until a worker is there to leave them out."""
        pids = {process.pid for process in self.pool._processes}
        return (
            self.pool.alive == 2
            and not self.victims & pids
            and not self.pool._shared.given_up
            and not self.pool._batcher.rows
        )

    async def _ask(self, x: float, fault: str) -> bytes:
        return to_json(await self.pool.predict(request(x, fault), 30.0))


@pytest.fixture(scope="module")
def machine() -> Iterator[type[Workers]]:
    limits = replace(LIMITS, workers=2, predict_timeout_seconds=1.0)
    with asyncio.Runner() as runner, tempfile.TemporaryDirectory() as state:
        pool = Pool(command(ORACLE, Path(state)), limits, Metrics(CollectorRegistry()), batchable=True)
        runner.run(pool.start())

        class Living(Workers):
            pass

        Living.loop, Living.pool = runner.get_loop(), pool
        yield Living
        runner.run(pool.stop())


def play(machine: type[Workers], examples: int, steps: int) -> None:
    checks = (HealthCheck.too_slow, HealthCheck.filter_too_much)
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        machine,
        settings=settings(
            deadline=None, max_examples=examples, stateful_step_count=steps, suppress_health_check=checks, database=None
        ),
    )


def test_in_any_order_everybody_hears_the_truth_of_two_workers(machine: type[Workers]) -> None:
    play(machine, examples=8, steps=12)


@pytest.mark.e2e
@pytest.mark.timeout(3600)
def test_in_any_order_everybody_hears_the_truth_of_two_workers_at_length(machine: type[Workers]) -> None:
    play(machine, examples=200, steps=30)
