"""Rows A-1 to A-5, A-8 and A-9: real pulls over networks that do them no favour."""

import shutil
import time
from dataclasses import replace

import pytest

from serve.artifact import cache, fetch
from serve.artifact.fetch import PullLimits
from tests.forms import FULL, TIMED, forms, within
from tests.pulls.pinned import LARGE_BYTES, PATIENT, Pinned, failure, large
from tests.pulls.remotes import Fault, FaultProxy


async def heals(pinned: Pinned, proxy: FaultProxy) -> None:
    """With the network well again, the next pull brings everything, with no hand laid on."""
    proxy.fault = Fault()
    assert await fetch.fetch(pinned.store(remote=proxy.url), pinned.pin, PATIENT)
    assert pinned.complete()
    assert pinned.wrong() == []


async def test_a_pull_over_a_network_brings_what_is_pinned(pinned: Pinned, proxy: FaultProxy) -> None:
    assert await fetch.fetch(pinned.store(remote=proxy.url), pinned.pin, PATIENT)
    assert pinned.complete()
    assert not await fetch.fetch(pinned.store(remote=proxy.url), pinned.pin, PATIENT)


@TIMED
async def test_a1_an_unreachable_remote_is_told_soon_and_pulled_from_once_it_is_back(
    pinned: Pinned, proxy: FaultProxy
) -> None:
    await proxy.refuse()
    began = time.monotonic()
    assert "unless the remote does not answer" in await failure(pinned, remote=proxy.url)
    assert time.monotonic() - began < within(10.0)
    await proxy.open()
    await heals(pinned, proxy)


@TIMED
async def test_a2_a_remote_that_never_answers_is_given_up_in_time(pinned: Pinned, proxy: FaultProxy) -> None:
    proxy.fault = Fault(silent=True)
    began = time.monotonic()
    assert "took longer than 3 seconds" in await failure(pinned, PullLimits(3.0), proxy.url)
    assert 3.0 <= time.monotonic() - began < 3.0 + within(2.0)
    assert proxy.connections > 0


@TIMED
async def test_a3_a_pull_that_stands_still_is_stopped_and_one_that_is_slow_goes_on(
    pinned: Pinned, proxy: FaultProxy
) -> None:
    stall = within(2.0)
    proxy.fault = Fault(bytes_a_second=64 * 1024)
    assert await fetch.fetch(pinned.store("slow", proxy.url), pinned.pin, PullLimits(120.0, stall))
    shutil.rmtree(pinned.cache)
    proxy.fault = Fault(silent=True)
    assert "neither read nor wrote 1024 bytes a second" in await failure(pinned, PullLimits(120.0, stall), proxy.url)


@pytest.mark.parametrize(
    ("several", "reset"),
    [(False, False), pytest.param(False, True, marks=FULL), pytest.param(True, False, marks=FULL), (True, True)],
    ids=["one object, FIN", "one object, RST", "several objects, FIN", "several objects, RST"],
)
@forms(1, 10)
async def test_a4_a5_what_a_cut_connection_leaves_is_not_kept(
    pinned: Pinned, proxy: FaultProxy, several: bool, reset: bool, times: int
) -> None:
    """DVC itself keeps what came of a single object under its name, as if it were whole."""
    for _ in range(times):
        shutil.rmtree(pinned.cache, ignore_errors=True)
        shutil.rmtree(pinned.root / "state", ignore_errors=True)
        if not several:  # all but the large one are here already
            shutil.copytree(pinned.remote, pinned.cache)
            large(pinned.cache).unlink()
        proxy.fault = Fault(cut=int(0.3 * LARGE_BYTES), reset=reset)
        assert "the remote has no intact copy of models/digits/model/weights" in await failure(pinned, remote=proxy.url)
        assert pinned.wrong() == []
        await heals(pinned, proxy)


async def test_a5_a_listing_cut_short_is_not_kept(pinned: Pinned, proxy: FaultProxy) -> None:
    proxy.fault = Fault(cut=250)  # within the answer's first bytes
    await failure(pinned, remote=proxy.url)
    assert not pinned.cache.exists() or pinned.wrong() == []
    await heals(pinned, proxy)


async def test_a8_a_corrupt_listing_in_the_cache_is_pulled_again(pinned: Pinned) -> None:
    cache.put(pinned.cache, pinned.pin.oid, b"[]")
    assert await fetch.fetch(pinned.store(), pinned.pin, PATIENT)
    assert pinned.wrong() == []


async def test_a9_a_listing_that_nobody_has_is_named(pinned: Pinned) -> None:
    nowhere = replace(pinned, pin=replace(pinned.pin, oid="0" * 32 + ".dir"))
    assert f"neither the cache nor the remote has {'0' * 32}.dir: push it" in await failure(nowhere)
