import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from serve.artifact.lease import Leases, alone

HOLDER = """
import sys
from pathlib import Path
from serve.artifact.lease import Leases
leases = Leases()
print(leases.take(Path(sys.argv[1])), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "snapshot"
    place.mkdir()
    return place


def is_unused(folder: Path) -> bool:
    with alone(folder) as unused:
        return unused


def test_a_folder_is_in_use_until_all_its_leases_are_let_go(folder: Path) -> None:
    with Leases() as ours, Leases() as theirs:
        assert is_unused(folder)
        assert ours.take(folder)
        assert theirs.take(folder)
        theirs.keep_only(())
        assert not is_unused(folder)
        ours.keep_only((folder,))
        assert not is_unused(folder)
        ours.keep_only(())
        assert is_unused(folder)


def test_leases_end_with_their_block(folder: Path) -> None:
    with Leases() as leases:
        leases.take(folder)
    assert is_unused(folder)


def test_a_lease_ends_with_its_process_however_that_ends(folder: Path) -> None:
    command = [sys.executable, "-c", HOLDER, str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "True\n"
        assert not is_unused(folder)
        holder.kill()
        holder.wait()
    assert is_unused(folder)


def test_what_is_not_there_can_neither_be_taken_nor_be_had_alone(folder: Path) -> None:
    with Leases() as leases:
        assert not leases.take(folder / "nothing")
        assert not is_unused(folder / "nothing")
        (folder / "file").touch()
        assert not leases.take(folder / "file")


def test_a_folder_made_anew_in_the_place_of_a_leased_one_must_be_taken_anew(folder: Path) -> None:
    with Leases() as leases:
        leases.take(folder)
        shutil.rmtree(folder)
        assert not leases.take(folder)
        folder.mkdir()
        assert is_unused(folder)
        assert leases.take(folder)
        assert not is_unused(folder)


def test_nobody_takes_a_folder_while_another_has_it_alone_and_moves_it(folder: Path) -> None:
    with alone(folder) as unused:
        assert unused
        assert not is_unused(folder)
        folder.rename(folder.with_name("away"))
    with Leases() as leases:
        assert not leases.take(folder)
