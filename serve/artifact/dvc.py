"""DVC as a subprocess, always in a scratch checkout: the work tree is never touched.

A scratch checkout is a folder of its own with a `.dvc/config` made from the repository's remotes and cache, so
that what DVC does there (locks, temporary files, half-written folders) concerns nobody else. One function turns
DVC's failures into ours.
"""

import asyncio
import configparser
import contextlib
import os
import re
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from serve import scratch
from serve.errors import PullFailed

_CONFIGS = (".dvc/config", ".dvc/config.local")  # the second holds credentials, and wins
_MISSING = re.compile(r"^(?:name: .*, )?md5: (\w+(?:\.dir)?)$", re.MULTILINE)  # as DVC lists them in a warning


@dataclass(frozen=True, slots=True)
class Scratch:
    """A scratch checkout at `folder`, sharing the repository's DVC `cache`."""

    folder: Path
    cache: Path

    def object(self, oid: str) -> Path:
        """Where the cache keeps the object named `oid` (MD5 in hex, '.dir' behind it for a listing)."""
        return self.cache / "files" / "md5" / oid[:2] / oid[2:]


@contextlib.contextmanager
def checkout(repo: Path, state: Path, private_cache: bool = False) -> Iterator[Scratch]:
    """A scratch checkout below `state`, removed at the end; with an empty cache of its own where asked."""
    with scratch.folder(state) as folder:
        config, cache = _config(repo, folder)
        if private_cache:
            cache = folder / ".cache"
            config.set("cache", "dir", str(cache))
        (folder / ".dvc").mkdir()
        with (folder / ".dvc" / "config").open("w", encoding="utf-8") as file:
            config.write(file)
        yield Scratch(folder, cache)


async def run(where: Scratch, *arguments: str, timeout_seconds: float) -> str:
    """Run `dvc` with these arguments in a scratch checkout → its stdout; `PullFailed` where it fails.

    Past `timeout_seconds`, and when cancelled, the whole process group is killed.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "dvc",
        *arguments,
        cwd=where.folder,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "DVC_NO_ANALYTICS": "1", "DO_NOT_TRACK": "1"},
        start_new_session=True,
    )
    try:
        out, err = await asyncio.wait_for(process.communicate(), timeout_seconds)
    except TimeoutError:
        raise PullFailed(f"dvc {arguments[0]} took longer than {timeout_seconds:g} seconds and was stopped") from None
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
    if process.returncode != 0:
        raise PullFailed(f"dvc {arguments[0]} failed: {_reason(err.decode(errors='replace'))}")
    return out.decode(errors="replace")


def default_remote(repo: Path) -> str | None:
    """The name of the repository's default remote; None where it has none."""
    return _read(repo).get("core", "remote", fallback=None)


def _config(repo: Path, folder: Path) -> tuple[configparser.RawConfigParser, Path]:
    """The repository's DVC settings made fit for a checkout elsewhere, and the path of its cache."""
    config = _read(repo)
    for section in ("core", "cache"):
        if not config.has_section(section):
            config.add_section(section)
    cache = Path(config.get("cache", "dir", fallback=str(repo / ".dvc" / "cache")))
    for key, value in {
        "no_scm": "true",
        "analytics": "false",
        "check_update": "false",
        "site_cache_dir": str(folder / ".site"),
    }.items():
        config.set("core", key, value)
    config.set("cache", "dir", str(cache))
    # Never links: a snapshot must not share its bytes with a cache that others write to.
    config.set("cache", "type", "reflink,copy")
    for section in _remotes(config):
        config.set(section, "verify", "true")  # DVC's default certifies a corrupt download for ever
    return config, cache


def _read(repo: Path) -> configparser.RawConfigParser:
    """Both configuration files as one, paths in them made absolute (DVC reads them relative to the file)."""
    merged = configparser.RawConfigParser()
    for name in _CONFIGS:
        one = configparser.RawConfigParser()
        try:
            one.read(repo / name, encoding="utf-8")
        except (configparser.Error, UnicodeDecodeError) as error:
            raise PullFailed(f"{name} can't be read: {str(error).splitlines()[0]}") from error
        for section in one.sections():
            for key, value in one.items(section):
                if key in ("url", "dir") and _is_relative_path(value):
                    one.set(section, key, str((repo / ".dvc" / value).resolve()))
        merged.read_dict(one)
    return merged


def _is_relative_path(value: str) -> bool:
    return not re.match(r"[a-z][a-z0-9+.-]*:", value) and not os.path.isabs(value)


def _remotes(config: configparser.RawConfigParser) -> list[str]:
    return [section for section in config.sections() if re.fullmatch(r"'?remote \".+\"'?", section)]


def _reason(stderr: str) -> str:
    """What DVC said went wrong, in one line, without its advice and links."""
    told = [line.removeprefix("ERROR: ").rstrip(":") for line in stderr.splitlines() if line.startswith("ERROR: ")]
    told += [
        f"neither the cache nor the remote has {oid}: push it from where it was made"
        for oid in _MISSING.findall(stderr)
    ]
    lines = told or [line for line in stderr.splitlines() if line.strip()] or ["it gave no reason"]
    return " · ".join(re.sub(r"\s+", " ", re.sub(r"\x1b\[[0-9;]*m", "", line)) for line in lines)[:600]
