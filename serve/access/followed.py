"""Files that are followed: whoever uses them is given their content at start, and anew once it has changed and settled.

Content counts once two looks in a row agree, so a file that is being written is no change. What can't be read, or is
refused, changes nothing, and the log says so once. Looking is a small read: it works on every file system, and sees a
mounted secret that is swapped as a whole.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import structlog

from serve import files
from serve.errors import AccessUnreadable

log = structlog.get_logger()

Contents = tuple[bytes, ...]
Take = Callable[[Contents], None]  # it raises `AccessUnreadable` where they are of no use

_MOST_BYTES = 2**20
_LOOK_SECONDS = 0.5


class Followed:
    """Files that are taken together; `AccessUnreadable` where they can't be at first."""

    def __init__(self, what: str, paths: Sequence[Path], take: Take) -> None:
        self.what, self._paths, self._take = what, paths, take
        self._unreadable = False
        self._before = self._settled = _contents(paths)
        self._use(self._settled)

    def look(self) -> None:
        """Once more."""
        now = _contents(self._paths)
        if now == self._before and now != self._settled:
            self._settled = now
            try:
                self._use(now)
            except AccessUnreadable as error:
                self._unreadable = True
                log.warning("access unreadable: what was known before goes on", reason=error.message)
            else:
                self._unreadable = False
                log.info("access read anew", what=self.what)
        self._before = now

    def is_unreadable(self) -> bool:
        """Whether what is there now is of no use, so that what was known before goes on."""
        return self._unreadable

    def _use(self, contents: Contents | str) -> None:
        if isinstance(contents, str):
            raise AccessUnreadable(f"{self.what}: {contents}")
        try:
            self._take(contents)
        except AccessUnreadable as error:
            told = ", ".join(map(str, self._paths))
            raise type(error)(f"{self.what} in {told}: {error.message}") from None


async def follow(files: Sequence[Followed], sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
    """Look at all of them, for ever."""
    while True:
        await sleep(_LOOK_SECONDS)
        for one in files:
            one.look()


def _contents(paths: Sequence[Path]) -> Contents | str:
    """Of each file its content; where one can't be read, why."""
    try:
        return tuple(map(_content, paths))
    except OSError as error:
        return f"{error.filename}: {error.strerror}"
    except ValueError as error:
        return str(error)


def _content(path: Path) -> bytes:
    data = files.head(path, _MOST_BYTES + 1)
    if len(data) > _MOST_BYTES:
        raise ValueError(f"{path} is over {_MOST_BYTES} bytes")
    return data
