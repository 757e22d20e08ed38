"""A door as most tests want it, and a caller who is connected to it; some have a door of their own."""

from collections.abc import AsyncIterator

import pytest

from tests.serve.front.calling import Caller
from tests.serve.front.doorway import Doorway, opened


@pytest.fixture
async def doorway() -> AsyncIterator[Doorway]:
    async with opened() as one:
        yield one


@pytest.fixture
async def caller(doorway: Doorway) -> Caller:
    return await doorway.caller()
