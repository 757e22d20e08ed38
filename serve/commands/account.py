"""What a server does, told to the person who watches it on a terminal: each step as it goes on, and what came of it.

It stands among the log's processors, takes the lines that it tells better, and leaves all others as they are. In a pipe
it is not there at all: the log is what it always is.
"""

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import structlog
from rich.live import Live
from structlog.typing import EventDict

from serve import log
from serve.attempts import Attempts, Doing
from serve.commands.drawn import account as drawn
from serve.loader import Deployed

_REFRESHES_A_SECOND = 8
# Told by the steps, or by the release that they are of.
_TOLD_ELSEWHERE = frozenset(
    {"pulled", "verified", "building environment", "warm", "live", "sandbox", "removed", "commit verified"}
)
_ALWAYS = ("start",)  # other steps have often nothing to do, which need not be told
_QUICK_SECONDS = 0.3


def called(program: str = sys.argv[0], environment: Mapping[str, str] = os.environ, folder: str = "") -> str:
    """How this program is called from the terminal it was begun on: where make did, its PATH is not that terminal's."""
    if "MAKELEVEL" not in environment or os.path.basename(program) != "serve":
        return "serve"
    nearby = os.path.relpath(program, folder or None)
    return program if nearby.startswith(os.pardir) else nearby


class Account:
    """One server's, or one preparation's. `models` are those that are live now."""

    def __init__(self, attempts: Attempts, models: Callable[[], Mapping[str, Deployed]], drain_seconds: float) -> None:
        self._attempts, self._models, self._drain = attempts, models, drain_seconds
        self._before: Mapping[str, Deployed] = {}
        self._address, self._page = "", ""
        self._began = time.monotonic()
        self._console = log.console()
        self._live = Live(
            get_renderable=self._now,
            console=self._console,
            refresh_per_second=_REFRESHES_A_SECOND,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._tell: Mapping[str, Callable[[EventDict], None]] = {
            "listening": self._listening,
            "release live": self._release_live,
            "rollout failed": self._rollout_failed,
            "prepared": self._prepared,
            "stopping": self._stopping,
            "stopped": self._stopped,
        }

    def __call__(self, _: object, __: str, event: EventDict) -> EventDict:
        """Tell what an event says, and drop it; or leave it to be written as the log writes it."""
        if event["event"] in _TOLD_ELSEWHERE and event["level"] in ("info", "debug"):
            raise structlog.DropEvent
        tell = self._tell.get(event["event"])
        if tell is None:
            return event
        with _unheard():
            tell(event)
        raise structlog.DropEvent

    def close(self) -> None:
        """Nothing is being done any more."""
        with _unheard():
            self._live.stop()

    def step(self, doing: Doing, seconds: float | None) -> None:
        """A step begins, or has ended well."""
        with _unheard():
            if seconds is None:
                self._live.start()
            elif doing.step in _ALWAYS or seconds >= _QUICK_SECONDS:
                self._console.print(drawn.step(doing, seconds))

    def _now(self) -> Any:
        return drawn.doing(self._attempts.doing)

    def _listening(self, event: EventDict) -> None:
        self._address, self._page = event["url"], event["console"]
        self._console.print(drawn.begins(self._address))

    def _release_live(self, event: EventDict) -> None:
        self._live.stop()
        before, self._before = self._before, dict(self._models())
        if before:
            self._console.print(drawn.switched(before, self._before, event["seconds"]))
        else:
            took = time.monotonic() - self._began
            self._console.print(drawn.ready(self._before, self._address, self._page, took, called()))

    def _rollout_failed(self, event: EventDict) -> None:
        self._live.stop()
        self._before = dict(self._models())
        self._console.print(drawn.failed(event["code"], event["reason"], event["live"]))

    def _prepared(self, event: EventDict) -> None:
        self._live.stop()
        self._console.print(drawn.prepared(event["models"], event["state"], time.monotonic() - self._began))

    def _stopping(self, _: EventDict) -> None:
        self._live.stop()
        self._console.print(drawn.stopping(self._drain))

    def _stopped(self, _: EventDict) -> None:
        self._console.print(drawn.stopped())


def _unheard() -> contextlib.AbstractContextManager[None]:
    """A terminal that was closed holds up no server."""
    return contextlib.suppress(OSError, ValueError, AttributeError)


@contextlib.contextmanager
def on_terminal(
    attempts: Attempts,
    models: Callable[[], Mapping[str, Deployed]] = dict,
    drain_seconds: float = 0.0,
    level: str = "info",
) -> Iterator[None]:
    """Within the block, tell it on a terminal; not where the log is to be quieter, nor in a pipe."""
    if not log.console().is_terminal or level not in ("info", "debug"):
        yield
        return
    account = Account(attempts, models, drain_seconds)
    configured = structlog.get_config()["processors"]
    at = next(at for at, one in enumerate(configured) if one is structlog.processors.add_log_level)
    structlog.configure(processors=[*configured[: at + 1], account, *configured[at + 1 :]])
    attempts.watched = account.step
    try:
        yield
    finally:
        account.close()
        structlog.configure(processors=configured)
