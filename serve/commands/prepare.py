"""The command `serve prepare`: all that serving needs on disk, short of starting it."""

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any, TypeVar

import structlog

from serve import app as composition
from serve import log as logging
from serve.artifact.pin import Pin
from serve.artifact.snapshot import Snapshot
from serve.commands import account, given
from serve.commands.ending import leave
from serve.commands.serving import require_trusted, state
from serve.errors import RolloutFailed
from serve.loader import Loader
from serve.settings import Settings

T = TypeVar("T")

log = structlog.get_logger()


def prepare(settings: Settings) -> None:
    """Pull, verify and build what the work tree's models.dvc pins."""
    logging.configure(settings.log_level, settings.log_format)
    pin = given.pin(settings)
    require_trusted(settings)
    with state(settings):
        loader = composition.make_loader(settings, composition.make_metrics())
    try:
        with account.on_terminal(loader.attempts, level=settings.log_level):
            snapshots = asyncio.run(until_sigterm(_prepared(loader, pin)))
            log.info("prepared", models=[one.name for one in snapshots], state=str(settings.state))
    except RolloutFailed as error:
        leave(error.message, 1)
    except (KeyboardInterrupt, asyncio.CancelledError):
        leave("interrupted; what was finished is kept", 130)


async def _prepared(loader: Loader, pin: Pin) -> list[Snapshot]:
    await loader.admit(pin)
    return await loader.prepare(pin)


async def until_sigterm(work: Coroutine[Any, Any, T]) -> T:
    """SIGTERM cancels the work, as SIGINT does by asyncio, so that what it started ends too."""
    task = asyncio.ensure_future(work)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await task
