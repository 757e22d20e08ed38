"""Predictions → rows of a recording, written by a thread aside; nobody waits for it.

What comes faster than it is written, or finds the disk full, is dropped and counted. A folder that can't be written to
turns the recording off, with one line of the log, and is tried again later.
"""

import queue
import random
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import structlog

from serve.journey import Batched, Journey, Notes
from serve.metrics import Metrics
from serve.observe.files import Files
from serve.observe.seen import LEFT, Asked, Seen

log = structlog.get_logger()

_MOST_WAITING_BYTES = 32 * 2**20
_AT_ONCE_BYTES = 2**20
_PAUSE_SECONDS = 0.5  # rows are written together
_AGAIN_SECONDS = 30.0
_LAST_SECONDS = 2.0  # in which what waits is written as the server ends
_BESIDE_BYTES = 512  # of a row, beside its bodies


class _Row(NamedTuple):
    values: tuple[Any, ...]
    size: int


class Recorder:
    """Records a `ratio` of the predictions whose bodies have at most `max_body_bytes`.

    Owned by the event loop, but for what the thread does: `_run` and what it calls.
    """

    def __init__(
        self,
        files: Files,
        ratio: float,
        max_body_bytes: int,
        metrics: Metrics,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._files, self._ratio, self.max_body_bytes = files, ratio, max_body_bytes
        self._metrics, self._clock, self._chance = metrics, clock, chance
        self._rows: queue.SimpleQueue[_Row | None] = queue.SimpleQueue()
        self._put = self._taken = 0  # bytes: each is one side's alone, so that neither waits for the other
        self._off_until: float | None = None
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """Complete the file being written, within a moment. It blocks."""
        self._rows.put(None)
        self._thread.join(_LAST_SECONDS)

    def wants(self, journey: Journey) -> bool:
        return self._chance() < self._ratio

    def begin(self, journey: Journey, notes: Notes, asked: Asked) -> None:
        notes.is_recorded = asked.predicts

    def batched(self, batch: Batched) -> None:
        """A request's own row has all there is."""

    def seen(self, seen: Seen) -> None:
        if not seen.notes.is_recorded or seen.answered.status == LEFT:
            return
        question, answer = seen.notes.question, seen.answered.body
        if question is None or answer is None or max(len(question), len(answer)) > self.max_body_bytes:
            return self._drop(1, "too_large")
        size = len(question) + len(answer) + _BESIDE_BYTES
        if self._put - self._taken + size > _MOST_WAITING_BYTES:
            return self._drop(1, "queue_full")
        self._put += size
        self._rows.put(_Row(_values(seen, bytes(question), bytes(answer)), size))

    def _run(self) -> None:
        """The thread."""
        over = False
        self._metrics.recording.set(self._safely(self._files.sweep))
        while not over:
            rows, over = self._take()
            if rows:
                size = sum(row.size for row in rows)
                self._taken += size
                self._write(rows, size)
            else:
                self._safely(self._files.finish_if_due)
        self._safely(self._files.finish)

    def _take(self) -> tuple[list[_Row], bool]:
        """The rows of the next half second, or as many as are to be written at once; and whether these are the last."""
        rows, size, until = list[_Row](), 0, time.monotonic() + _PAUSE_SECONDS
        while size < _AT_ONCE_BYTES:
            try:
                row = self._rows.get(timeout=max(0.0, until - time.monotonic()))
            except queue.Empty:
                break
            if row is None:
                return rows, True
            rows.append(row)
            size += row.size
        return rows, False

    def _write(self, rows: list[_Row], size: int) -> None:
        if self._off_until is not None and self._clock() < self._off_until:
            return self._drop(len(rows), "disk")
        if not self._safely(lambda: self._files.write([row.values for row in rows], size)):
            return self._drop(len(rows), "disk")
        self._metrics.recorded.inc(len(rows))
        if self._off_until is not None:
            self._off_until = None
            self._metrics.recording.set(1)
            log.info("recording goes on")

    def _safely(self, work: Callable[[], None]) -> bool:
        """Whether the files could be worked on; else recording is off for a while."""
        try:
            work()
        except Exception as error:
            self._files.drop()
            if self._off_until is None:
                log.error("recording stopped", reason=str(error), again_in_seconds=_AGAIN_SECONDS)
            self._off_until = self._clock() + _AGAIN_SECONDS
            self._metrics.recording.set(0)
            return False
        return True

    def _drop(self, rows: int, reason: str) -> None:
        self._metrics.unrecorded.labels(reason).inc(rows)


def _values(seen: Seen, question: bytes, answer: bytes) -> tuple[Any, ...]:
    """In the order of `SCHEMA`."""
    asked, answered, lineage = seen.asked, seen.answered, seen.lineage
    length = asked.headers.get("inference-header-content-length", "")
    return (
        datetime.now(UTC) - timedelta(seconds=seen.seconds),
        seen.journey.id,
        asked.path,
        answered.status,
        seen.seconds,
        seen.notes.rows or None,
        lineage.get("x-model-name"),
        lineage.get("x-model-digest"),
        lineage.get("x-model-revision"),
        lineage.get("x-model-run"),
        asked.headers.get("content-type"),
        asked.headers.get("accept"),
        int(length) if length.isdecimal() and len(length) < 10 else None,
        question,
        answered.content_type,
        answer,
    )
