"""Progress bars: the events pass unchanged; a pipe stays empty."""

import io
from collections.abc import Iterator

import numpy as np
import pytest
from rich.console import Console

from train.loop import Epoch, Evaluation, Event, Step
from train.progress import Bars

EVENTS: list[Event] = [
    Step(1, 1, 0.5),
    Step(2, 1, 0.25),
    Epoch(1, 2, 0.375, Evaluation(0.3, np.eye(2, dtype=np.int64))),
]


@pytest.mark.parametrize("terminal", [True, False])
def test_events_pass_unchanged_and_only_a_terminal_is_drawn_on(terminal: bool) -> None:
    written = io.StringIO()
    with Bars(Console(file=written, force_terminal=terminal)) as bars:
        assert list(bars.follow("digits", iter(EVENTS), 2)) == EVENTS
    assert bool(written.getvalue()) is terminal


def test_an_interruption_passes_through() -> None:
    def interrupted() -> Iterator[Event]:
        yield EVENTS[0]
        raise KeyboardInterrupt

    with Bars(Console(file=io.StringIO())) as bars, pytest.raises(KeyboardInterrupt):
        list(bars.follow("digits", interrupted(), 2))
