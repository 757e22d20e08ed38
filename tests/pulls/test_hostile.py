"""Rows A-14 and A-19: listings that lead outside, and more bytes or files than were pinned."""

import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from serve.artifact import cache, fetch, verify
from serve.artifact.pin import Pin, PinnedModel
from serve.errors import ListingRefused, PinTooLarge
from tests.forms import TIMED, within
from tests.pulls.pinned import MIB, PATIENT, Pinned, failure, large, put, tree


def crafted(pinned: Pinned, *paths: str) -> Pinned:
    """The same but that the pin names a listing of these paths, as whoever may commit can."""
    evil = put(pinned, b"evil\n")
    data = json.dumps([{"md5": evil, "relpath": path} for path in sorted(paths)]).encode()
    oid = put(pinned, data, ".dir")
    return replace(pinned, pin=replace(pinned.pin, oid=oid, size=5 * len(paths), files=len(paths)))


def everything(root: Path) -> dict[str, tuple[bytes, int]]:
    """Every file below `root` with its bytes and time, but for those of the state folder and the cache."""
    files = [one for one in root.rglob("*") if one.is_file()]
    ours = (root / "state", root / "repo" / ".dvc" / "cache")
    kept = [one for one in files if not any(one.is_relative_to(place) for place in ours)]
    return {str(one): (one.read_bytes(), one.stat().st_mtime_ns) for one in kept}


@TIMED
@pytest.mark.parametrize("path", ["digits/../../../../../canary", "../../../../canary", "{root}/canary", "other/x"])
async def test_a14_a_listing_that_leads_outside_is_refused_before_anything_is_written(
    pinned: Pinned, path: str
) -> None:
    (pinned.root / "canary").write_text("canary")
    evil = crafted(pinned, path.format(root=pinned.root), "digits/model/MLmodel")
    before, began = everything(pinned.root), time.monotonic()
    with pytest.raises(ListingRefused):
        await fetch.fetch(evil.store(), evil.pin, PATIENT)
    assert time.monotonic() - began < within(4.0)  # two of which DVC may take to copy the listing
    assert everything(pinned.root) == before
    assert not (pinned.cache / "files").exists()
    assert list((pinned.root / "state" / "scratch").iterdir()) == []


async def test_a14_a_listing_that_the_remote_changed_is_not_acted_on(pinned: Pinned) -> None:
    """As whoever may write to the remote alone can."""
    (pinned.root / "canary").write_text("canary")
    evil = crafted(pinned, "../../../canary", "digits/../../../../canary")
    place = cache.place(pinned.remote, pinned.pin.oid)
    place.chmod(0o644)
    place.write_bytes(cache.place(pinned.remote, evil.pin.oid).read_bytes())
    before = everything(pinned.root)
    assert f"the remote has no intact copy of {pinned.pin.oid}" in await failure(pinned)
    assert everything(pinned.root) == before


async def test_a14_where_the_listing_is_at_hand_the_remote_s_is_not_read(pinned: Pinned) -> None:
    (pinned.root / "canary").write_text("canary")
    evil = crafted(pinned, "../../../canary", "digits/../../../../canary")
    place = cache.place(pinned.remote, pinned.pin.oid)
    cache.put(pinned.cache, pinned.pin.oid, place.read_bytes())
    place.chmod(0o644)
    place.write_bytes(cache.place(pinned.remote, evil.pin.oid).read_bytes())
    before = everything(pinned.root)
    assert await fetch.fetch(pinned.store(), pinned.pin, PATIENT)
    assert everything(pinned.root) == before


async def test_a19_a_listing_without_end_is_cut_off(pinned: Pinned) -> None:
    place = cache.place(pinned.remote, pinned.pin.oid)
    place.chmod(0o644)
    with place.open("r+b") as file:
        file.truncate(200 * MIB)
    assert "File too large" in await failure(pinned)
    assert used(pinned) < MIB


async def test_a19_an_object_larger_than_all_that_is_pinned_is_cut_off(pinned: Pinned) -> None:
    victim = large(pinned.remote)
    victim.chmod(0o644)
    with victim.open("r+b") as file:
        file.truncate(100 * MIB)
    assert "the remote has no intact copy of models/digits/model/weights" in await failure(pinned)
    assert used(pinned) < MIB
    assert pinned.wrong() == []


def used(pinned: Pinned) -> int:
    """Bytes on disk in the state folder and the cache."""
    places = (pinned.root / "state", pinned.cache)
    return sum(one.stat().st_blocks * 512 for place in places for one in place.rglob("*") if one.is_file())


async def test_a19_files_that_are_more_than_was_pinned_in_all_are_refused(pinned: Pinned) -> None:
    """Each is small enough, and has the name it should."""
    files = {f"digits/{at}": bytes([at]) * 200_000 for at in range(4)}
    data = json.dumps([{"md5": put(pinned, files[path]), "relpath": path} for path in sorted(files)]).encode()
    digest = verify.tree_digest(verify.manifest(tree(pinned.root / "files", files) / "digits"))
    lies = Pin(put(pinned, data, ".dir"), 1000, 4, (PinnedModel("digits", digest),))
    assert "has 800000 bytes, and models.dvc pins 1000" in await failure(replace(pinned, pin=lies))


CLAIMS: dict[str, Callable[[Pin], Pin]] = {
    "50 GiB": lambda one: replace(one, size=50 * 2**30),
    "a million files": lambda one: replace(one, files=10**6),
}


@pytest.mark.parametrize("claim", CLAIMS.values(), ids=CLAIMS.keys())
async def test_a19_a_pin_that_claims_too_much_is_refused_before_anything_runs(
    pinned: Pinned, claim: Callable[[Pin], Pin]
) -> None:
    limits = replace(PATIENT, max_bytes=32 * 2**30, max_files=100_000)
    with pytest.raises(PinTooLarge, match="PINION_ARTIFACT__MAX_"):
        await fetch.fetch(pinned.store(), claim(pinned.pin), limits)
    assert not (pinned.root / "state").exists()
