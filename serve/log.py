"""Structured logging: coloured lines on a terminal, one JSON object a line in a pipe. All on stderr.

`configure()` is called once, by a composition root; every room asks `structlog.get_logger()` for its own.
"""

import contextlib
import io
import logging
import select
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Literal, TextIO, cast

import orjson
import structlog
from rich.console import Console
from rich.text import Text
from structlog.typing import EventDict, Processor

_console = Console(stderr=True)
_LONGEST = 16 * 2**10  # characters of a value; tracebacks are shorter
_SHOWN = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160)) if chr(code) not in "\n\t"}
_PATIENCE_SECONDS = 0.1
_SORTED = orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE
_ROOM_BYTES = select.PIPE_BUF  # where a pipe says it has room, these it has


Form = Literal["auto", "json", "text"]


class _Stream:
    """stderr as it is now: closed, full or with nobody reading it, a line is lost and the server goes on.

    On a terminal the lines appear above whatever is drawn on `console()`. In a pipe a reader is waited for, a moment,
    and then no more until it has read: the event loop writes here.
    """

    def __init__(self) -> None:
        self.lost, self.is_text = 0, False
        self._is_read, self._is_cut = True, False

    def write(self, line: str) -> int:
        try:
            if _console.is_terminal:
                _console.print(Text.from_ansi(line.rstrip("\n")), soft_wrap=True)
            else:
                self._put(line.encode(errors="replace"))
        except (OSError, ValueError, AttributeError):  # the last: there is no stderr at all
            self.lost += 1
        return len(line)

    def _put(self, line: bytes) -> None:
        """A line, or what of it there is room for; then the next begins one of its own."""
        rest = memoryview(b"\n" + line if self._is_cut else line)
        while rest and self._has_room():
            sys.stderr.buffer.write(rest[:_ROOM_BYTES])
            sys.stderr.buffer.flush()
            rest, self._is_cut = rest[_ROOM_BYTES:], len(rest) > _ROOM_BYTES
        self.lost += bytes(rest).count(b"\n")

    def _has_room(self) -> bool:
        """Whether so many bytes can be written at once."""
        try:
            self._is_read = bool(
                select.select((), (sys.stderr.fileno(),), (), _PATIENCE_SECONDS if self._is_read else 0.0)[1]
            )
        except io.UnsupportedOperation:  # it is no descriptor
            return True
        return self._is_read

    def flush(self) -> None:
        with contextlib.suppress(OSError, ValueError, AttributeError):
            sys.stderr.flush()


_stream = _Stream()


def lost() -> int:
    """Lines that nobody took, whole, so far."""
    return _stream.lost


def configure(level: str = "info", form: Form = "auto") -> None:
    """Set up structlog, and write the warnings of the libraries we use in the same form to the same stream.

    `form` is "json" or "text"; "auto" is text on a terminal.
    """
    stream = cast(TextIO, _stream)
    terminal = _console.is_terminal if form == "auto" else form == "text"
    _stream.is_text = terminal
    before: list[Processor] = [
        _cut,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="%H:%M:%S" if terminal else "iso", utc=not terminal),
    ]
    written = _coloured(_console.is_terminal) if terminal else _json()
    structlog.configure(
        processors=[*before, *written],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.WriteLoggerFactory(stream),
        cache_logger_on_first_use=False,
    )
    theirs = logging.StreamHandler(stream)
    named: list[Processor] = [structlog.stdlib.add_logger_name, structlog.stdlib.ExtraAdder(["request_id"]), *before]
    meta = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    theirs.setFormatter(structlog.stdlib.ProcessorFormatter(processors=[meta, *written], foreign_pre_chain=named))
    logging.basicConfig(level=logging.WARNING, handlers=[theirs], force=True)


def write_all(lines: Sequence[Mapping[str, Any]]) -> None:
    """Many lines at once, each with its own event, level and timestamp: a fiftieth of the work of one after another."""
    if _stream.is_text:
        for line in lines:
            told = {name: value for name, value in line.items() if name not in ("event", "level", "timestamp")}
            structlog.get_logger().info(line["event"], **told)
    else:
        _stream.write(b"".join([orjson.dumps(line, option=_SORTED) for line in lines]).decode())


def _coloured(colours: bool) -> list[Processor]:
    traceback = structlog.dev.plain_traceback
    return [_visible, structlog.dev.ConsoleRenderer(colors=colours, pad_event_to=24, exception_formatter=traceback)]


def _cut(_: object, __: str, event: EventDict) -> EventDict:
    """No value is longer than a screen or two."""
    for name, value in event.items():
        if isinstance(value, str) and len(value) > _LONGEST:
            event[name] = f"{value[:_LONGEST]}… ({len(value) - _LONGEST} more)"
    return event


def _visible(_: object, __: str, event: EventDict) -> EventDict:
    """What a terminal would act upon is shown instead; JSON escapes it anyway."""
    for name, value in event.items():
        if isinstance(value, str):
            event[name] = value.translate(_SHOWN)
    return event


def _json() -> list[Processor]:
    """Tracebacks come without local variables, which hold what callers sent."""
    traceback = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
    return [structlog.processors.ExceptionRenderer(traceback), structlog.processors.JSONRenderer(sort_keys=True)]


def console() -> Console:
    """Where the lines are shown on a terminal: what is drawn there beside them must be drawn on this."""
    return _console
