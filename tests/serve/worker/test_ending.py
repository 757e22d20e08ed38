"""How a process ended, and a control group's count of those that the kernel killed for want of memory."""

import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from serve.worker.ending import Memory, ending

FIRST = ("4:memory:/pod\n0::/\n", "memory/pod/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill {}\n")
SECOND = ("0::/pod/worker\n", "pod/worker/memory.events", "low 0\noom {0}\noom_kill {0}\noom_group_kill 0\n")


@pytest.mark.parametrize(
    ("code", "told"),
    [
        (0, "exited with code 0"),
        (1, "exited with code 1"),
        (-9, "killed by SIGKILL"),
        (-11, "killed by SIGSEGV"),
        (-signal.SIGRTMIN, "killed by SIGRTMIN"),
        (-(signal.SIGRTMIN + 1), f"killed by signal {signal.SIGRTMIN + 1}"),
    ],
)
def test_an_ending_is_told_in_words(code: int, told: str) -> None:
    assert ending(code) == told


@pytest.fixture(params=[FIRST, SECOND], ids=["first version", "second version"])
def group(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[int], Path]:
    """A control group with process 7 in it; called with how many were killed in it."""
    membership, name, content = request.param

    def killed(count: int) -> Path:
        for file, text in ((tmp_path / "7" / "cgroup", membership), (tmp_path / name, content.format(count))):
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        return tmp_path

    return killed


def test_who_is_killed_while_the_group_counts_one_more_was_killed_for_memory(group: Callable[[int], Path]) -> None:
    memory = Memory(7, group(3), group(3))
    assert memory.told(-signal.SIGKILL) == "killed by SIGKILL"
    group(4)
    assert memory.told(-signal.SIGKILL) == "killed by SIGKILL, out of memory"
    assert memory.told(-signal.SIGSEGV) == "killed by SIGSEGV"
    assert memory.told(1) == "exited with code 1"


def test_without_a_group_to_be_read_nothing_is_said_of_memory(tmp_path: Path) -> None:
    assert Memory(7, tmp_path, tmp_path).told(-signal.SIGKILL) == "killed by SIGKILL"
