"""Structured logging: coloured lines on a terminal, one JSON object a line in a pipe. All on stderr.

`configure()` is called once, by the composition root; every room asks `structlog.get_logger()` for its own.
"""

import logging
import sys

import structlog


def configure(level: str = "info") -> None:
    """Set up structlog and route the standard library's warnings of others through the same stream."""
    terminal = sys.stderr.isatty()
    stamp = structlog.processors.TimeStamper(fmt="%H:%M:%S" if terminal else "iso", utc=not terminal)
    renderer = (
        structlog.dev.ConsoleRenderer(pad_event_to=28)
        if terminal
        else structlog.processors.JSONRenderer(sort_keys=True)
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            stamp,
            structlog.processors.dict_tracebacks,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(name)s: %(message)s")
