"""`/history` and `/history/{revision}` over real repositories: what git says, and what DVC brings where it must."""

import asyncio
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from serve.artifact.fetch import PullLimits
from serve.artifact.history import pin_at
from serve.front.dialect import JOURNEY
from serve.front.past import Past, handlers
from serve.journey import Journey
from serve.rollout import Rollout
from tests.forms import FULL
from tests.releases import WEIGHTS, Releases, Spec

LIMITS = PullLimits(timeout_seconds=120.0)
FIRST = Spec(metrics={"accuracy": 0.9})
SECOND = Spec(
    inputs={"x": "double", "z": "long"},
    packages=("numpy==2.1.0", "scipy==1.14.0"),
    metrics={"accuracy": 0.95},
    golden={1.0: 2.5},
    run="r2",
)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Releases, list[str]]:
    """Three releases: a model, another beside it, the first one changed; and a commit that breaks models.dvc."""
    releases = Releases(tmp_path_factory.mktemp("past"))
    revisions = [
        releases.release("Promote a", a=FIRST),
        releases.release("Promote b", a=FIRST, b=Spec(run="b1")),
        releases.release("Promote a: better", a=SECOND, b=Spec(run="b1")),
    ]
    return releases, revisions


def past(releases: Releases, state: str = "state", live: str = "") -> Past:
    """Its past, where the release of the commit `live` is live."""
    found = pin_at(releases.repo, live) if live else None
    rollout = SimpleNamespace(live=SimpleNamespace(pin=found[1]) if found else None)
    return Past(releases.store(state), LIMITS, cast(Rollout, rollout))


def client(asked: Past) -> httpx.AsyncClient:
    app = Starlette(routes=[Route(path, handler) for path, handler in handlers(asked).items()])

    async def named(scope: Scope, receive: Receive, send: Send) -> None:
        await app({**scope, JOURNEY: Journey("order-7")}, receive, send)

    return httpx.AsyncClient(transport=httpx.ASGITransport(named), base_url="http://here")


async def got(asked: Past, path: str) -> Any:
    async with client(asked) as session:
        answer = await session.get(path)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_releases_are_listed_newest_first_with_what_each_did_to_its_models(
    made: tuple[Releases, list[str]],
) -> None:
    releases, revisions = made
    told = await got(past(releases, live=revisions[1]), "/history")
    assert [(one["revision"], one["subject"], one["live"]) for one in told["releases"]] == [
        (revisions[2], "Promote a: better", False),
        (revisions[1], "Promote b", True),
        (revisions[0], "Promote a", False),
    ]
    changes = [{name: one["change"] for name, one in found["models"].items()} for found in told["releases"]]
    assert changes == [{"a": "changed", "b": "kept"}, {"a": "kept", "b": "added"}, {"a": "added"}]
    assert told["releases"][0]["models"]["a"]["metrics"] == {"accuracy": 0.95}
    assert (told["releases"][0]["author"], told["more"]) == ("Ada", False)


async def test_a_release_after_one_that_cannot_be_read_is_compared_with_the_one_before_that(tmp_path: Path) -> None:
    releases = Releases(tmp_path)
    releases.release("Promote a", a=FIRST)
    (releases.repo / "models.dvc").write_text("<<<<<<< HEAD\n")
    releases.commit("Break it")
    releases.release("Mend it", a=FIRST)
    told = (await got(past(releases), "/history"))["releases"]
    assert [one["readable"] for one in told] == [True, False, True]
    assert told[0]["models"]["a"]["change"] == "kept"


async def test_a_limit_says_that_there_is_more(made: tuple[Releases, list[str]]) -> None:
    releases, revisions = made
    told = await got(past(releases), "/history?limit=2")
    assert ([one["revision"] for one in told["releases"]], told["more"]) == ([revisions[2], revisions[1]], True)
    assert told["releases"][1]["models"]["a"]["change"] == "kept"  # against the one that is not listed


@pytest.mark.parametrize("limit", ["0", "-1", "501", "many", "1e2", ""])
async def test_another_limit_is_refused(made: tuple[Releases, list[str]], limit: str) -> None:
    async with client(past(made[0])) as session:
        answer = await session.get(f"/history?limit={limit}")
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed_request")
    assert answer.json()["request_id"] == "order-7"


async def test_a_change_is_told_of_releases_that_are_not_on_this_machine_without_their_weights(
    made: tuple[Releases, list[str]], tmp_path: Path
) -> None:
    releases, revisions = made
    shutil.rmtree(releases.repo / ".dvc" / "cache", ignore_errors=True)
    told = await got(past(releases, "fresh"), f"/history/{revisions[2][:9]}")
    assert (told["revision"], told["before"], told["breaking"], told["unknown"]) == (*revisions[:0:-1], True, "")
    model = told["models"]["a"]
    assert model["metrics"] == [{"name": "accuracy", "before": 0.9, "after": 0.95}]
    assert model["facts"]["packages"] == [
        {"name": "numpy", "before": "2.0.0", "after": "2.1.0"},
        {"name": "scipy", "before": None, "after": "1.14.0"},
    ]
    assert model["facts"]["signature"] == [
        {"place": "inputs", "name": "z", "before": "", "after": "long", "breaking": True}
    ]
    differ = "request 0: predictions[0].y was 2.0 at promotion and is 2.5 now"
    assert model["facts"]["golden"] == {"before": 1, "after": 1, "shared": 1, "differ": [differ]}
    assert (told["models"]["b"]["change"], told["models"]["b"]["facts"]) == ("kept", None)
    assert WEIGHTS not in [one.read_bytes() for one in (releases.repo / ".dvc" / "cache").rglob("*") if one.is_file()]
    assert list((releases.root / "fresh" / "scratch").glob("*")) == []


async def test_the_first_release_has_none_before_it(made: tuple[Releases, list[str]]) -> None:
    releases, revisions = made
    told = await got(past(releases), f"/history/{revisions[0]}")
    assert (told["before"], told["models"]["a"]["change"], told["breaking"]) == (None, "added", False)


@pytest.mark.parametrize("revision", ["0000000", "HEAD", "4f2", "x" * 40, "--all"])
async def test_a_revision_that_is_no_release_is_404(made: tuple[Releases, list[str]], revision: str) -> None:
    async with client(past(made[0])) as session:
        answer = await session.get(f"/history/{revision}")
    assert (answer.status_code, answer.json()["code"]) == (404, "release_not_found")
    assert answer.json()["request_id"] == "order-7"


@FULL
async def test_what_can_not_be_fetched_is_told_and_asked_for_again_once_it_is_there(tmp_path: Path) -> None:
    releases = Releases(tmp_path)
    releases.release(a=FIRST)
    revision = releases.release(a=replace(SECOND, run="r3"))
    remote = releases.repo / "remote"
    remote.rename(tmp_path / "gone")
    asked = past(releases)
    told = await got(asked, f"/history/{revision}")
    assert "the remote's folder remote is not there" in told["unknown"]
    assert str(tmp_path) not in told["unknown"]
    assert (told["models"]["a"]["change"], told["models"]["a"]["facts"]) == ("changed", None)
    (tmp_path / "gone").rename(remote)
    told = await got(asked, f"/history/{revision}")
    assert (told["unknown"], told["models"]["a"]["breaking"]) == ("", True)


async def test_many_who_ask_at_once_are_told_the_same(made: tuple[Releases, list[str]]) -> None:
    releases, revisions = made
    asked = past(releases, "many")
    told = await asyncio.gather(*(got(asked, f"/history/{revisions[2]}") for _ in range(5)))
    assert all(one == told[0] for one in told)
