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
    """Set up structlog, and route the warnings of the libraries we use through the same stream."""
    terminal = _console.is_terminal
    stamp = structlog.processors.TimeStamper(fmt="%H:%M:%S" if terminal else "iso", utc=not terminal)
    renderer = (
        structlog.dev.ConsoleRenderer(pad_event_to=24)
        if terminal
        else structlog.processors.JSONRenderer(sort_keys=True)
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            stamp,
            structlog.processors.dict_tracebacks,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.WriteLoggerFactory(cast(TextIO, _Stream())),
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(name)s: %(message)s")


@contextlib.contextmanager
def working(told: str) -> Iterator[None]:
    """Show a spinner and what is being done, while the block runs, where a person watches."""
    if not _console.is_terminal:
        yield
        return
    with _console.status(told):
        yield
