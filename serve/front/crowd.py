"""Who is connected: at most so many, each of whom gets on with it or goes.

A connection waits until the head of its first request is whole. Where all places are taken, who comes takes that of
whoever waits longest, for honest clients do not wait; where nobody does, who comes is turned away. One timer looks at
all of them now and then, so that none is set, and no clock read, for a request.

One `Crowd` a server; the event loop owns it.
"""

import asyncio
import resource
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple, Protocol

from serve.errors import ReadTooSlowly, TooManyConnections

_LOOK_SECONDS = 0.25
_LEAST_SPARE = 128  # descriptors kept for workers, files, and what is pulled and built
_SPARE_SHARE = 5  # of many descriptors, one in so many is kept
_FEWEST = 16


class Limits(NamedTuple):
    """What connections may take. `min_rate` is in bytes a second; 0 `most_per_address` is no limit."""

    body_bytes: int
    unread_bytes: int
    most: int
    most_per_address: int
    header_seconds: float
    body_seconds: float
    write_seconds: float
    min_rate: float


class Member(Protocol):
    """A connection."""

    def look(self, now: float) -> None:
        """Go on, or end what takes too long."""

    def unread(self) -> int:
        """Bytes of answers held for it."""

    def give_way(self) -> None:
        """Leave at once."""


class Crowd:
    """`count` is told the code of each refusal that no request was made for."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.count: Callable[[str], None] = lambda code: None
        self._members: dict[Member, str] = {}  # and the address of each
        self._waiting: dict[Member, None] = {}  # the longest first
        self._stopped: dict[Member, None] = {}  # by answers that are not read, the longest first
        self._of_address = Counter[str]()
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._members)

    def enter(self, one: Member, address: str) -> bool:
        """Whether there is a place for it."""
        if self._is_full(address):
            self.count(TooManyConnections.code)
            return False
        self._members[one], self._waiting[one] = address, None
        self._of_address[address] += 1
        if self._timer is None:
            self._look_in()
        return True

    def settle(self, one: Member) -> None:
        """It has said what it wants."""
        self._waiting.pop(one, None)

    def stop(self, one: Member) -> None:
        """It does not read its answers as fast as they come."""
        self._stopped[one] = None

    def go_on(self, one: Member) -> None:
        """It has read them."""
        self._stopped.pop(one, None)

    def leave(self, one: Member) -> None:
        """Its place is free."""
        self._waiting.pop(one, None)
        self._stopped.pop(one, None)
        address = self._members.pop(one, None)
        if address is not None:
            self._of_address[address] -= 1
            if not self._of_address[address]:
                del self._of_address[address]

    def cut(self, one: Member) -> None:
        """It does not read what it is told: it is given up, with whatever is not sent."""
        self.count(ReadTooSlowly.code)
        one.give_way()

    def _is_full(self, address: str) -> bool:
        allowed = self.limits.most_per_address
        if allowed and self._of_address[address] >= allowed:
            return True
        if len(self._members) < self.limits.most:
            return False
        longest = next(iter(self._waiting), None)
        if longest is None:
            return True
        self.count(TooManyConnections.code)
        self.leave(longest)
        longest.give_way()
        return False

    def _look_in(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(_LOOK_SECONDS, self._look)

    def _look(self) -> None:
        self._timer = None
        if not self._members:
            return
        self._look_in()
        now = asyncio.get_running_loop().time()
        for one in list(self._members):
            one.look(now)
        self._bound_unread()

    def _bound_unread(self) -> None:
        """Cut those who have not read their answers for longest, where these take more memory than they may."""
        held = {one: one.unread() for one in self._stopped}
        total = sum(held.values())
        for one, size in held.items():
            if total <= self.limits.unread_bytes:
                break
            self.cut(one)
            total -= size


def places(most: int) -> int:
    """How many connections there may be, `most` where the process may open enough files; its soft limit is raised."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = most + max(_LEAST_SPARE, most // (_SPARE_SHARE - 1))
    granted = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < granted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (granted, hard))
        soft = granted
    if soft == resource.RLIM_INFINITY:
        return most
    return min(most, max(_FEWEST, soft - max(_LEAST_SPARE, soft // _SPARE_SHARE)))
