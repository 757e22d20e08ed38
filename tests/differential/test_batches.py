"""Requests of several callers, joined by rows: each gets the answer that MLflow would give to it alone."""

import sys
from collections import Counter
from collections.abc import Hashable

import pytest
from hypothesis import settings

from tests.differential import compare, models, oracle, pinion
from tests.differential.batches import Batch, batches
from tests.differential.compare import Tally
from tests.differential.payloads import JSON, Case
from tests.differential.pinion import Entry, Outcome
from tests.differential.runs import LONG, SHORT, run

CASES = 250


def test_each_of_a_batch_gets_what_mlflow_gives_it_alone() -> None:
    _batches(CASES, SHORT)


@pytest.mark.e2e
@pytest.mark.timeout(1800)
def test_each_of_a_batch_gets_what_mlflow_gives_it_alone_whatever_comes() -> None:
    _batches(40 * CASES, LONG)


def _batches(cases: int, how: settings) -> None:
    tally, calls = Tally(), Counter[bool]()
    run(batches(), cases, how, lambda batch: _batch(batch, tally, calls))
    sys.stdout.write(f"{tally}{calls[True]} batches of several were joined, {calls[False]} predicted one by one\n")
    assert calls[True] > cases / 5


def _batch(batch: Batch, tally: Tally, calls: Counter[bool]) -> None:
    pyfunc = models.pyfunc(batch.signed.recorded, None, "rows")
    known = pinion.signature(pyfunc.metadata.to_dict())
    taken = [pinion.taken_in(known, body, JSON) for body in batch.bodies]
    outcomes = {at: one for at, one in enumerate(taken) if isinstance(one, Outcome)}
    for places in _groups({at: one for at, one in enumerate(taken) if isinstance(one, Entry)}):
        before = oracle.calls(pyfunc)
        answers = pinion.answered(pyfunc, known, [taken[at] for at in places])
        outcomes |= dict(zip(places, answers, strict=True))
        calls[oracle.calls(pyfunc) - before == 1] += len(places) > 1
    for at, body in enumerate(batch.bodies):
        alone = oracle.ask(pyfunc, body, JSON)
        tally.add(compare.judged(Case(batch.signed, body), alone, outcomes[at]))


def _groups(entries: dict[int, Entry]) -> list[list[int]]:
    """The places of the entries that the queue would put into one batch."""
    groups: dict[Hashable, list[int]] = {}
    for at, entry in entries.items():
        groups.setdefault(entry.bound.group, []).append(at)
    return list(groups.values())
