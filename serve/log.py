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


class _OnTerminal:
    """A stream whose lines appear above whatever `working` shows."""

    def write(self, line: str) -> int:
        _console.print(Text.from_ansi(line.rstrip("\n")), soft_wrap=True)
        return len(line)

    def flush(self) -> None:
        """Nothing is held back."""


def configure(level: str = "info") -> None:
    """Set up structlog, and route the warnings of the libraries we use through the same stream."""
    terminal = sys.stderr.isatty()
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
        logger_factory=structlog.WriteLoggerFactory(cast(TextIO, _OnTerminal()) if terminal else sys.stderr),
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
