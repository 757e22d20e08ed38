"""The measurement of a switch: how soon another release answers, and what traffic notices meanwhile."""

import statistics
import threading
import time
import urllib.request
from typing import Any

import structlog

from benchmarks import load
from benchmarks.load import Measured
from benchmarks.servers import Running
from benchmarks.stage import Stage

log = structlog.get_logger()


def switch(stage: Stage, rounds: int) -> dict[str, Any]:
    """Traffic while models.dvc is checked out at another revision: seconds until that answers, and latencies.

    The latencies are those of five seconds that begin just before the change, beside five without one. No release is
    held after it: a switch back to one that is takes no load, and is over at the next look.
    """
    subject = stage.t
    repo = stage.repository("switch", [("t", stage.other_t), ("t", subject)])
    bodies = [subject.body(subject.rows[at : at + 1]) for at in range(64)]
    took: list[float] = []
    steady: list[Measured] = []
    during: list[Measured] = []
    with stage.running([stage.pinion(repo, PINION_ROLLOUT__HOLD_SECONDS="0")], bodies[0]) as (one,):
        load.measure(one.url, bodies, 64, 2)
        for at in range(2 * rounds):
            steady.append(load.measure(one.url, bodies, 64, 5))
            traffic = threading.Thread(target=lambda: during.append(load.measure(one.url, bodies, 64, 5)))
            traffic.start()
            time.sleep(0.3)
            before, began = _revision(one, bodies[0]), time.perf_counter()
            stage.pin(repo, promotions=1 + at % 2)
            while _revision(one, bodies[0]) == before:
                time.sleep(0.02)
            took.append(time.perf_counter() - began)
            traffic.join()
    found = {"seconds": statistics.median(took), "steady": load.median(steady), "during": load.median(during)}
    log.info("measured", **found)
    return found


def _revision(one: Running, body: bytes) -> str:
    request = urllib.request.Request(one.url, body, {"Content-Type": load.JSON})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return str(answer.headers["x-model-revision"])
