"""Whose requests a process's last batches were, by number: the child marks what the model prints with that number.

Who watches requests hears from here when their batch was answered.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

from serve.batch.batcher import Entry
from serve.journey import Batched, Journey, Notes

_REMEMBERED = 16  # batches: what a model prints is read a moment after its answer, at times
_MOST_TOLD = 16  # requests in a line of the log


class Batches:
    """Of one process; `begin` gives a batch its number, from 1 on."""

    def __init__(self) -> None:
        self._number, self._in_hand = 0, False
        self._last: deque[tuple[int, Sequence[Journey | None]]] = deque(maxlen=_REMEMBERED)

    def begin(self, journeys: Sequence[Journey | None]) -> int:
        """These are asked next; None for what is no caller's."""
        self._number += 1
        self._in_hand = True
        self._last.append((self._number, journeys))
        return self._number

    def end(self) -> None:
        """The batch was answered."""
        self._in_hand = False

    def told(self, number: int) -> Mapping[str, Any]:
        """The requests of a batch, as a line of the log has them; nothing where there are none, or none is known."""
        journeys = next((one for known, one in self._last if known == number), ())
        ids = [one.id for one in journeys if one is not None]
        more = {"more_requests": len(ids) - _MOST_TOLD} if len(ids) > _MOST_TOLD else {}
        return {"requests": ids[:_MOST_TOLD], **more} if ids else {}

    def told_in_hand(self) -> Mapping[str, Any]:
        """The same of the batch that is not answered yet."""
        return self.told(self._number) if self._in_hand else {}


def note(model: str, batch: Sequence[Entry], rows: int, sent: float, answered: float, seconds: float) -> None:
    """A batch was answered: whoever watches requests in it is told, before their callers are."""
    watched = [one for one in batch if one.journey is not None and one.journey.notes is not None]
    if not watched:
        return
    notes = [_noted(one, sent, answered) for one in watched]
    notes[0].watcher.batched(Batched(model, len(batch), rows, notes, sent, answered, seconds))


def _noted(entry: Entry, sent: float, answered: float) -> Notes:
    assert entry.journey is not None
    notes = entry.journey.notes
    assert notes is not None
    notes.arrived, notes.sent, notes.answered, notes.rows = entry.arrived, sent, answered, entry.rows
    return notes
