import os
import shutil
from pathlib import Path

import pytest
from filelock import FileLock

from serve.artifact import collect
from serve.artifact.lease import Leases


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """Six read-only snapshots of five releases, the newest first: s0 and s1 together, then s2, s3, s4, s5."""
    for at, moment in enumerate((9, 9, 8, 7, 6, 5)):
        folder = tmp_path / "snapshots" / f"s{at}"
        (folder / "model").mkdir(parents=True)
        (folder / "model" / "MLmodel").touch(mode=0o444)
        for place in (folder / "model", folder):
            place.chmod(0o555)
        os.utime(folder, (moment, moment))
    for name in ("needed", "other"):
        folder = tmp_path / "environments" / name
        (folder / "bin").mkdir(parents=True)
        os.utime(folder, (1, 1))
    return tmp_path


def names(state: Path, kind: str = "snapshots") -> set[str]:
    return {place.name for place in (state / kind).iterdir() if place.is_dir()}


def test_the_releases_used_last_are_kept_whole(state: Path) -> None:
    assert {place.name for place in collect.snapshots(state, keep=2)} == {"s0", "s1", "s2"}
    assert names(state) == {"s0", "s1", "s2"}
    assert list((state / "scratch").iterdir()) == []


def test_what_is_in_use_is_kept_beside_them(state: Path) -> None:
    with Leases() as leases:
        leases.take(state / "snapshots" / "s0")
        leases.take(state / "snapshots" / "s1")
        leases.take(state / "snapshots" / "s5")
        collect.snapshots(state, keep=1)
    assert names(state) == {"s0", "s1", "s2", "s5"}


def test_nothing_need_be_kept(state: Path) -> None:
    assert collect.snapshots(state, keep=0) == []
    assert names(state) == set()


def test_to_be_used_again_makes_a_snapshot_new(state: Path) -> None:
    collect.note_use([state / "snapshots" / "s4", state / "snapshots" / "s5"])
    collect.snapshots(state, keep=1)
    assert names(state) == {"s4", "s5"}


def test_environments_that_nobody_needs_go(state: Path) -> None:
    collect.environments(state, {"needed"})
    assert names(state, "environments") == {"needed"}


def test_an_environment_made_of_late_may_be_pinned_soon(state: Path) -> None:
    (state / "environments" / "other" / ".complete").touch()
    collect.environments(state, {"needed"})
    assert names(state, "environments") == {"needed", "other"}


def test_an_environment_in_use_stays(state: Path) -> None:
    with Leases() as leases:
        leases.take(state / "environments" / "other")
        collect.environments(state, {"needed"})
    assert names(state, "environments") == {"needed", "other"}


def test_an_environment_that_is_being_built_stays(state: Path) -> None:
    with FileLock(state / "environments" / "other.lock"):
        collect.environments(state, {"needed"})
    assert names(state, "environments") == {"needed", "other"}


def test_what_others_share_by_a_link_is_left_to_them(state: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "environments").symlink_to(state / "environments")
    collect.environments(mine, ())
    assert names(state, "environments") == {"needed", "other"}


def test_an_empty_state_folder_holds_nothing_to_collect(tmp_path: Path) -> None:
    assert collect.snapshots(tmp_path, keep=3) == []
    collect.environments(tmp_path, ())
    assert list(tmp_path.iterdir()) == []


def test_what_can_not_be_removed_is_still_there(state: Path) -> None:
    shutil.rmtree(state / "scratch", ignore_errors=True)
    (state / "scratch").touch()  # so nothing can be moved there
    assert len(collect.snapshots(state, keep=0)) == 6
    assert len(names(state)) == 6
