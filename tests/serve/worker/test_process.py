import asyncio
import sys
from pathlib import Path

import pytest

from serve.child import wire
from serve.errors import LoadFailed
from serve.worker.link import Connection, answers, joined
from serve.worker.process import (
    NEXT,
    Command,
    Died,
    Process,
    State,
)
from serve.worker.variables import _visible, child_environment

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
    for asked in (process.predict(wire.Predict(()), 1.0), process.stream(wire.Next())):
        with pytest.raises(Died):
            await asked


async def test_an_answer_that_was_a_process_s_last_word_is_an_answer(tmp_path: Path) -> None:
    class LastWord(Process):
        async def _ask(self, message: wire.Message, timeout_seconds: float | None = None) -> wire.Message:
            self._end("killed by SIGKILL")
            return wire.Answers((), 0.0)

    process = LastWord(Command("digits", "sha256:0", tmp_path, Path(sys.executable), threads=1, state=tmp_path))
    process._become(State.READY)
    assert await process.predict(wire.Predict(()), 1.0) == wire.Answers((), 0.0)
    assert process.state is State.DEAD


async def test_a_process_that_does_not_answer_in_time_is_late_and_busy_still(process: Process) -> None:
    class Silent(asyncio.WriteTransport):
        def is_closing(self) -> bool:
            return False

        def writelines(self, list_of_data: object) -> None: ...

    process._loop, process._writer = asyncio.get_running_loop(), Silent()
    process._connection = Connection(lambda reply: None)
    process._become(State.READY)
    with pytest.raises(TimeoutError):
        await process.predict(wire.Predict((VALUE,)), 0.01)
    assert process.state is State.BUSY


async def test_a_process_is_busy_with_a_stream_until_its_last_word(tmp_path: Path) -> None:
    replies = iter((wire.Chunk(VALUE), wire.Chunk(VALUE), wire.Done()))

    class Scripted(Process):
        async def _ask(self, message: wire.Message, timeout_seconds: float | None = None) -> wire.Message:
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
        async def _ask(self, message: wire.Message, timeout_seconds: float | None = None) -> wire.Message:
            return wire.Pong()

    process = Confused(Command("digits", "sha256:0", tmp_path, Path(sys.executable), threads=1, state=tmp_path))
    process._become(State.READY)
    with pytest.raises(Died, match="out of turn"):
        await process.stream(wire.Stream(VALUE))
    assert process.state is State.DEAD


async def test_a_process_that_dies_as_it_says_it_is_ready_did_not_load(tmp_path: Path) -> None:
    class LastWord(Process):
        async def _spawn(self) -> None: ...

        async def _ask(self, message: wire.Message, timeout_seconds: float | None = None) -> wire.Message:
            self._end("killed by SIGKILL")
            return wire.Ready({})

    process = LastWord(Command("digits", "sha256:0", tmp_path, Path(sys.executable), threads=1, state=tmp_path))
    with pytest.raises(LoadFailed, match="SIGKILL"):
        await process.start(1.0)


async def test_a_process_that_is_still_loading_can_not_be_asked(process: Process) -> None:
    with pytest.raises(AssertionError, match="a process can't go from starting to busy"):
        await process.predict(wire.Predict(()), 1.0)


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


def array(*numbers: int) -> wire.Value:
    return wire.Value("array", (wire.Part(None, "|u1", (len(numbers),), bytes(numbers)),))


ONE, TWO = array(1), array(2, 3)
BOTH = wire.Predict((ONE, TWO), {"k": 1})
ALONE = wire.Predict((TWO,))


def test_several_values_travel_as_one_with_the_rows_of_each_and_a_lone_one_as_it_is() -> None:
    assert joined(ALONE) is ALONE
    assert joined(BOTH) == wire.Batch(array(1, 2, 3), (1, 2), {"k": 1})


def test_results_are_cut_into_an_answer_for_each_value() -> None:
    assert answers(wire.Results(array(4, 5, 6), 0.5), joined(BOTH)) == wire.Answers((array(4), array(5, 6)), 0.5)


@pytest.mark.parametrize("fault", [VALUE, wire.Fault("model", "ValueError", "no")])
def test_answers_that_come_one_by_one_stay_as_they_are(fault: wire.Value | wire.Fault) -> None:
    for asked, reply in ((BOTH, wire.Answers((ONE, fault), 0.5)), (ALONE, wire.Answers((fault,), 0.5))):
        assert answers(reply, joined(asked)) is reply


@pytest.mark.parametrize(
    ("reply", "asked"),
    [
        pytest.param(wire.Results(array(4, 5), 0.0), BOTH, id="a row too few"),
        pytest.param(wire.Results(array(4, 5, 6, 7), 0.0), BOTH, id="a row too many"),
        pytest.param(wire.Results(wire.Value("arrays", (*array(4, 5, 6).parts, *ONE.parts)), 0.0), BOTH, id="a part"),
        pytest.param(wire.Results(VALUE, 0.0), BOTH, id="no rows"),
        pytest.param(wire.Results(wire.Value("arrays", ()), 0.0), BOTH, id="no parts"),
        pytest.param(wire.Results(TWO, 0.0), ALONE, id="results of what was not joined"),
        pytest.param(wire.Answers((ONE,), 0.0), BOTH, id="an answer too few"),
        pytest.param(wire.Answers((ONE, ONE), 0.0), ALONE, id="an answer too many"),
        pytest.param(wire.Pong(), ALONE, id="no answers"),
    ],
)
async def test_a_process_whose_answers_are_not_one_for_each_value_is_ended(
    tmp_path: Path, reply: wire.Message, asked: wire.Predict
) -> None:
    class Confused(Process):
        async def _ask(self, message: wire.Message, timeout_seconds: float | None = None) -> wire.Message:
            return reply

    process = Confused(Command("digits", "sha256:0", tmp_path, Path(sys.executable), threads=1, state=tmp_path))
    process._become(State.READY)
    with pytest.raises(Died, match="out of turn"):
        await process.predict(asked, 1.0)
    assert process.state is State.DEAD


@pytest.mark.parametrize(
    ("asked", "answers_allowed"),
    [
        (wire.Ping(), 0),
        (wire.Predict((VALUE,)), 1),
        (wire.Predict((VALUE, VALUE)), 2),
        (wire.Batch(VALUE, (1, 2, 3)), 3),
        (wire.Next(), 1),
    ],
)
async def test_no_more_is_taken_from_a_process_than_was_asked_for(asked: wire.Message, answers_allowed: int) -> None:
    connection = Connection(lambda reply: None)
    connection.expect(asked, 2**24)
    for size, ends in ((answers_allowed * 2**24, False), (2**20 + 1 + answers_allowed * 2**24, True)):
        announced = wire.PREFIX.pack(b"PNN1", 2, size)
        connection.get_buffer(-1)[: len(announced)] = announced
        connection.buffer_updated(len(announced))
        assert connection.over.done() is ends
        if not ends:
            connection = Connection(lambda reply: None)
            connection.expect(asked, 2**24)
    assert "larger than what was asked for" in connection.over.result()


async def test_who_speaks_without_being_asked_is_hung_up_on() -> None:
    received = list[wire.Message]()
    connection = Connection(received.append)
    connection.expect(wire.Ping(), 0)
    told = b"".join(bytes(one) for one in wire.encode(wire.Pong())) * 3
    connection.get_buffer(-1)[: len(told)] = told
    connection.buffer_updated(len(told))
    assert received == [wire.Pong()]
    assert connection.over.result() == "it spoke out of turn"


@pytest.mark.parametrize(
    ("device", "ours", "seen"),
    [
        pytest.param("", "", None, id="MLflow chooses"),
        pytest.param("", "3", None, id="MLflow chooses of what we were given"),
        pytest.param("cuda", "", None, id="any"),
        pytest.param("cpu", "", "", id="none"),
        pytest.param("cpu", "0,1", "", id="none of what we were given"),
        pytest.param("cuda:0", "", "0", id="the first"),
        pytest.param("cuda:11", "", "11", id="the twelfth"),
        pytest.param("cuda:1", "4,GPU-8f2a", "GPU-8f2a", id="the second of what we were given"),
        pytest.param("cuda:0", "4,", "4", id="the first of what we were given"),
        pytest.param("cuda:2", "4,5", "2", id="one that we were not given"),
    ],
)
def test_a_child_sees_its_device_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, device: str, ours: str, seen: str | None
) -> None:
    assert _visible(device, ours).get("CUDA_VISIBLE_DEVICES") == seen
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", ours)
    assert child_environment(tmp_path, 1, device)["CUDA_VISIBLE_DEVICES"] == (ours if seen is None else seen)
