"""Rows H-1 and H-3: what a server occupies does not grow, whatever happens to it; `make soak` is H-1's long form."""

import asyncio
import signal
import tracemalloc
from pathlib import Path

import pytest

from tests.chaos.conftest import MIB, SETTINGS
from tests.chaos.load import Load
from tests.chaos.residue import eventually
from tests.chaos.soak import BEFORE, KILL_SECONDS, SWITCH_SECONDS, soak
from tests.e2e.conftest import Repository
from tests.e2e.server import Server
from tests.forms import forms

TRACING = Path(__file__).with_name("tracing")


@pytest.mark.timeout(900)
@pytest.mark.e2e
async def test_h1_under_load_switches_and_kills_nothing_is_lost_and_the_front_stays_flat(
    repository: Repository,
) -> None:
    (await soak(repository, 300.0, SWITCH_SECONDS, KILL_SECONDS, BEFORE)).require_flat()


async def test_h1_a_short_soak_loses_nothing_and_leaves_no_zombie(repository: Repository) -> None:
    soaked = await soak(repository, 12.0, switch=5.0, kill=3.0)  # too short for slopes to mean much
    soaked.load.require_nothing_lost()
    assert soaked.samples[-1].zombies == 0
    assert min(soaked.switches, soaked.kills) > 0


@forms(2000, 100_000)
async def test_h3_no_line_of_the_front_holds_more_and_more(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(TRACING))
    monkeypatch.setenv("TRACED", str(tmp_path))
    with Server(repository.folder, repository.state, **SETTINGS).ready() as server:
        snapshots = []
        for number, count in enumerate((500, times)):
            async with Load(server.url, rate=250, count=count, faults={"raise": 0.02}, leaving=0.02) as load:
                await load.over()
            load.require_nothing_lost()
            server.process.send_signal(signal.SIGUSR1)
            assert await asyncio.to_thread(eventually, (tmp_path / str(number)).exists, 60.0)
            snapshots.append(tracemalloc.Snapshot.load(str(tmp_path / str(number))))
    before, after = snapshots
    grown = [one for one in after.compare_to(before, "lineno") if one.size_diff > MIB]
    assert grown == []
    assert after.statistics("filename")  # it was traced
