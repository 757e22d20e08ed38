"""DVC as a subprocess, always in a scratch checkout: the work tree is never touched.

A scratch checkout is a folder of its own with a `.dvc/config` made from the settings that DVC is to have (`remote`
says which), so that what DVC does there (locks, temporary files, half-written folders) concerns nobody else. One
function turns DVC's failures into ours, told without paths or credentials: callers may read them.
"""

import asyncio
import contextlib
import errno
import os
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import structlog

from serve import program, scratch
from serve.artifact import bounds, cache, configuration, reasons
from serve.artifact.bounds import Bounds
from serve.artifact.remote import Settings, of_author, without_secrets
from serve.errors import MachineFailed, PullFailed

log = structlog.get_logger()

PROGRAM = "serve.artifact.dvc_main"  # DVC, but that it is not led to another machine


@dataclass(frozen=True, slots=True)
class Scratch:
    """A scratch checkout at `folder` with DVC's cache at `cache`; `remote` names the default remote, at `url`."""

    folder: Path
    cache: Path
    remote: str = ""
    url: str = ""

    @property
    def scheme(self) -> str:
        """Of the remote's URL, such as 's3'; '' where it is a folder."""
        return self.url.partition("://")[0] if configuration.is_url(self.url) else ""

    def object(self, oid: str) -> Path:
        """Where the cache keeps the object named `oid` (MD5 in hex, '.dir' behind it for a listing)."""
        return cache.place(self.cache, oid)


@contextlib.asynccontextmanager
async def checkout(
    repo: Path, state: Path, settings: Settings | None = None, private_cache: bool = False
) -> AsyncIterator[Scratch]:
    """A scratch checkout below `state`, removed at the end; with an empty cache of its own where asked.

    `settings` are those that DVC runs with: the repository's own where none are given, as only its author may.
    """
    settings = settings or of_author(repo)
    folder = scratch.make(state)
    try:
        place = folder / ".cache" if private_cache else settings.cache or state / "cache"
        ours = {"core": {"site_cache_dir": str(folder / ".site")}, "cache": {"dir": str(place)}}
        (folder / ".dvc").mkdir()
        configuration.write(configuration.merged(settings.configuration, ours), folder / ".dvc" / "config")
        yield Scratch(folder, place, settings.remote, settings.url)
    finally:
        await asyncio.to_thread(scratch.remove, folder)  # as many files as were pinned, where a pull failed


async def run(where: Scratch, *arguments: str, timeout_seconds: float, within: Bounds | None = None) -> str:
    """Run `dvc` with these arguments in a scratch checkout → its stdout.

    `PullFailed` where it fails, `MachineFailed` where that is because a disk is full. Past `timeout_seconds`, out of
    bounds, and when cancelled, the whole process group is killed.
    """
    # -P: what lies in the checkout is data, and no module of anyone's.
    command = (sys.executable, "-P", "-m", PROGRAM, *arguments)
    quiet = {**os.environ, "DVC_NO_ANALYTICS": "1", "DO_NOT_TRACK": "1"}
    try:
        async with asyncio.timeout(timeout_seconds), program.started(command, quiet, where.folder) as process:
            out, err = await _bounded(process, within or Bounds())
    except TimeoutError:
        raise PullFailed(f"dvc {arguments[0]} took longer than {timeout_seconds:g} seconds and was stopped") from None
    except _OutOfBounds as error:
        raise PullFailed(f"dvc {arguments[0]} {error} and was stopped") from None
    if process.returncode != 0:
        reason = without_secrets(reasons.of(err.decode(errors="replace")))
        log.warning("dvc failed", command=arguments[0], reason=reason)
        if reasons.disk_is_full(reason):
            raise MachineFailed(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), f"dvc {arguments[0]}"))
        told = reasons.known(reason) or reasons.without_paths(reason)
        raise PullFailed(f"dvc {arguments[0]} failed: {told}")
    return out.decode(errors="replace")


class _OutOfBounds(Exception):
    """A run of DVC took more than it may; says what."""


async def _bounded(process: asyncio.subprocess.Process, within: Bounds) -> tuple[bytes, bytes]:
    """Stdout and stderr of a process at its end; `_OutOfBounds` where it must be stopped before."""
    bounds.limit_files(process.pid, within)
    ending = asyncio.ensure_future(process.communicate())
    watching = asyncio.ensure_future(bounds.overrun(process.pid, within))
    try:
        await asyncio.wait((ending, watching), return_when=asyncio.FIRST_COMPLETED)
        if not ending.done():
            raise _OutOfBounds(watching.result())
        return ending.result()
    finally:
        ending.cancel()
        watching.cancel()
        await asyncio.wait((ending, watching))
