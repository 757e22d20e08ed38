"""Who is let in, as the server was set up: the gate, the certificates, and what is followed for them while it runs."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from serve.access.certificates import Certificates
from serve.access.gate import Gate


@dataclass(frozen=True, slots=True)
class Access:
    """No `gate`: whoever can connect may ask. No `certificates`: in plain text. `work` goes on meanwhile.

    `unreadable` has for each thing that is followed whether it can't be read now, so that what was known goes on.
    """

    gate: Gate | None = None
    certificates: Certificates | None = None
    work: Sequence[Callable[[], Coroutine[Any, Any, None]]] = ()
    unreadable: Mapping[str, Callable[[], bool]] = field(default_factory=dict)

    @property
    def open(self) -> bool:
        """Whether whoever can connect may ask."""
        return self.gate is None and not (self.certificates is not None and self.certificates.mutual)

    @contextlib.asynccontextmanager
    async def followed(self) -> AsyncIterator[None]:
        """Within the block, keys and certificates are those that are there now."""
        tasks = [asyncio.create_task(one()) for one in self.work]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
