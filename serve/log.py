"""Structured logging: coloured lines on a terminal, one JSON object a line in a pipe. All on stderr.

`configure()` is called once, by a composition root; every room asks `structlog.get_logger()` for its own.
`working()` shows on a terminal that long work goes on, beside the lines; in a pipe it shows nothing.
"""

import contextlib
import logging
import sys
from collections.abc import Iterator
from typing import TextIO, cast

import structlog
from rich.console import Console
from rich.text import Text
from structlog.typing import Processor

_console = Console(stderr=True)


class _Stream:
    """stderr as it is now: closed, full or with nobody reading it, a line is lost and the server goes on.

    On a terminal the lines appear above whatever `working` shows.
    """

    def write(self, line: str) -> int:
        with contextlib.suppress(OSError, ValueError, AttributeError):  # the last: there is no stderr at all
            if _console.is_terminal:
                _console.print(Text.from_ansi(line.rstrip("\n")), soft_wrap=True)
            else:
                sys.stderr.write(line)
        return len(line)

    def flush(self) -> None:
        with contextlib.suppress(OSError, ValueError, AttributeError):
            sys.stderr.flush()


def configure(level: str = "info") -> None:
    """Set up structlog, and write the warnings of the libraries we use in the same form to the same stream."""
    terminal, stream = _console.is_terminal, cast(TextIO, _Stream())
    before: list[Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="%H:%M:%S" if terminal else "iso", utc=not terminal),
    ]
    written = _coloured() if terminal else _json()
    structlog.configure(
        processors=[*before, *written],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.WriteLoggerFactory(stream),
        cache_logger_on_first_use=False,
    )
    theirs = logging.StreamHandler(stream)
    named = [structlog.stdlib.add_logger_name, *before]
    meta = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    theirs.setFormatter(structlog.stdlib.ProcessorFormatter(processors=[meta, *written], foreign_pre_chain=named))
    logging.basicConfig(level=logging.WARNING, handlers=[theirs], force=True)


def _coloured() -> list[Processor]:
    return [structlog.dev.ConsoleRenderer(pad_event_to=24, exception_formatter=structlog.dev.plain_traceback)]


def _json() -> list[Processor]:
    """Tracebacks come without local variables, which hold what callers sent."""
    traceback = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
    return [structlog.processors.ExceptionRenderer(traceback), structlog.processors.JSONRenderer(sort_keys=True)]


@contextlib.contextmanager
def working(told: str) -> Iterator[None]:
    """Show a spinner and what is being done, while the block runs, where a person watches."""
    if not _console.is_terminal:
        yield
        return
    with _console.status(told):
        yield
