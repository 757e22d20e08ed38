"""Row H-1: what a server occupies does not grow, whatever happens to it; `make soak` is its long form."""

import pytest

from tests.chaos.soak import BEFORE, KILL_SECONDS, SWITCH_SECONDS, soak
from tests.e2e.conftest import Repository


@pytest.mark.timeout(900)
@pytest.mark.e2e
async def test_h1_under_load_switches_and_kills_nothing_is_lost_and_the_front_stays_flat(
    repository: Repository,
) -> None:
    (await soak(repository, 300.0, SWITCH_SECONDS, KILL_SECONDS, BEFORE)).require_flat()


async def test_h1_a_short_soak_loses_nothing_and_leaves_no_zombie(repository: Repository) -> None:
    soaked = await soak(repository, 20.0, switch=8.0, kill=5.0)  # too short for slopes to mean much
    soaked.load.require_nothing_lost()
    assert soaked.samples[-1].zombies == 0
    assert min(soaked.switches, soaked.kills) > 0
