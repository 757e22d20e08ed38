import signal
import sys
from pathlib import Path

import pytest

from serve.child import wire
from serve.errors import LoadFailed
from serve.worker.process import NEXT, Command, Died, Process, State, child_environment, ending

VALUE = wire.Value("json", (wire.Part(None, wire.JSON, (), b"1"),))


def test_the_table_has_a_row_for_every_state() -> None:
    assert NEXT.keys() == set(State)


def test_a_process_may_die_in_any_state_and_is_dead_for_good() -> None:
    assert [state for state in State if State.DEAD not in NEXT[state]] == [State.DEAD]
    assert NEXT[State.DEAD] == frozenset()


def test_only_a_ready_process_becomes_busy_and_none_starts_again() -> None:
    assert [state for state in State if State.BUSY in NEXT[state]] == [State.READY]
    assert not any(State.STARTING in after for after in NEXT.values())


@pytest.fixture
def process(tmp_path: Path) -> Process:
    return Process(Command("digits", "sha256:0", tmp_path, Path(sys.executable), threads=1, state=tmp_path))


async def test_a_process_that_was_never_spawned_stops_at_once_and_only_once(process: Process) -> None:
    assert process.state is State.STARTING
    await process.stop()
    await process.stop()
    process.kill()
    assert process.state is State.DEAD


async def test_a_process_that_died_while_idle_says_so_to_whoever_asks(process: Process) -> None:
    await process.stop()
    for asked in (process.predict(wire.Predict(())), process.stream(wire.Next())):
        with pytest.raises(Died):
            await asked


async def test_an_answer_that_was_a_process_s_last_word_is_an_answer(tmp_path: Path) -> None:
    class LastWord(Process):
        async def _ask(self, message: wire.Message) -> wire.Message:
            self._end("killed by SIGKILL")
            return wire.Answers((), 0.0)

    process = LastWord(Command("digits", "sha256:0", tmp_path, Path(sys.executable), threads=1, state=tmp_path))
    process._become(State.READY)
    assert await process.predict(wire.Predict(())) == wire.Answers((), 0.0)
    assert process.state is State.DEAD


async def test_a_process_is_busy_with_a_stream_until_its_last_word(tmp_path: Path) -> None:
    replies = iter((wire.Chunk(VALUE), wire.Chunk(VALUE), wire.Done()))

    class Scripted(Process):
        async def _ask(self, message: wire.Message) -> wire.Message:
            return next(replies)

    process = Scripted(Command("digits", "sha256:0", tmp_path, Path(sys.executable), threads=1, state=tmp_path))
    process._become(State.READY)
    states = []
    for message in (wire.Stream(VALUE), wire.Next(), wire.Stop()):
        await process.stream(message)
        states.append(process.state)
    assert states == [State.BUSY, State.BUSY, State.READY]


async def test_a_process_that_answers_a_stream_out_of_turn_is_ended(tmp_path: Path) -> None:
    class Confused(Process):
        async def _ask(self, message: wire.Message) -> wire.Message:
            return wire.Pong()

    process = Confused(Command("digits", "sha256:0", tmp_path, Path(sys.executable), threads=1, state=tmp_path))
    process._become(State.READY)
    with pytest.raises(Died, match="out of turn"):
        await process.stream(wire.Stream(VALUE))
    assert process.state is State.DEAD


async def test_a_process_that_dies_as_it_says_it_is_ready_did_not_load(tmp_path: Path) -> None:
    class LastWord(Process):
        async def _spawn(self) -> None: ...

        async def _ask(self, message: wire.Message) -> wire.Message:
            self._end("killed by SIGKILL")
            return wire.Ready({})

    process = LastWord(Command("digits", "sha256:0", tmp_path, Path(sys.executable), threads=1, state=tmp_path))
    with pytest.raises(LoadFailed, match="SIGKILL"):
        await process.start(1.0)


async def test_a_process_that_is_still_loading_can_not_be_asked(process: Process) -> None:
    with pytest.raises(AssertionError, match="a process can't go from starting to busy"):
        await process.predict(wire.Predict(()))


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


def test_a_child_sees_no_credentials_and_a_home_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hidden = {
        "AWS_SECRET_ACCESS_KEY": "secret",
        "MLFLOW_TRACKING_URI": "secret",
        "MLFLOW_TRACKING_TOKEN": "secret",
        "PYTHONPATH": "secret",
        "LD_PRELOAD": "secret",
        "SSH_AUTH_SOCK": "secret",
        "PINION_BATCH__MAX_ROWS": "secret",
    }
    for name, value in hidden.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    monkeypatch.delenv("LC_ALL", raising=False)
    found = child_environment(tmp_path, 3)
    assert not hidden.keys() & found.keys()
    assert "secret" not in found.values()
    assert "LC_ALL" not in found
    assert found["CUDA_VISIBLE_DEVICES"] == "1"
    assert found["HOME"] == found["TMPDIR"] == str(tmp_path)
    assert found["OMP_NUM_THREADS"] == found["MKL_NUM_THREADS"] == found["OPENBLAS_NUM_THREADS"] == "3"
