"""A size of batch is computed with as many threads as pay for themselves."""

import pytest

from serve.child.threads import Threads
from tests.fakes import FakeClock


class Machine:
    """A model that takes `one` or `all_` seconds a batch, by its threads; it notes what it was told to use."""

    def __init__(self, one: float, all_: float, most: int = 4) -> None:
        self.clock, self.seconds, self.most = FakeClock(), {1: one, most: all_}, most
        self.used, self.told = most, list[int]()
        self.threads = Threads(most, self.use, self.clock)

    def use(self, threads: int) -> None:
        self.used = threads
        self.told.append(threads)

    def batch(self, rows: int = 8) -> int:
        """Compute one → with how many threads."""
        with self.threads.sharing(rows) as took:
            self.clock.advance(self.seconds[self.used])
        assert took.seconds == pytest.approx(self.seconds[self.used])
        return self.used

    def settled(self, rows: int = 8) -> int:
        """What is used once each was tried often enough."""
        for _ in range(20):
            self.batch(rows)
        return self.batch(rows)


@pytest.mark.parametrize(
    ("one", "all_", "used"),
    [
        pytest.param(1.0, 0.5, 4, id="all where they are twice as fast"),
        pytest.param(1.25, 1.0, 4, id="all where they are faster by a quarter"),
        pytest.param(1.2, 1.0, 1, id="one where all are hardly faster"),
        pytest.param(1.0, 3.0, 1, id="one where sharing out takes longer"),
    ],
)
def test_all_threads_are_used_where_they_pay(one: float, all_: float, used: int) -> None:
    assert Machine(one, all_).settled() == used


def test_one_disturbed_measurement_settles_nothing() -> None:
    machine = Machine(1.0, 0.5)
    machine.seconds[4] = 50.0
    while machine.batch() != 4:
        pass
    machine.seconds[4] = 0.5
    assert machine.settled() == 4


def test_what_was_disturbed_each_time_is_tried_again() -> None:
    machine = Machine(1.0, 50.0)
    assert machine.settled() == 1
    machine.seconds[4] = 0.5
    assert [machine.batch() for _ in range(200)][-1] == 4


def test_what_is_not_used_is_seldom_tried() -> None:
    machine = Machine(1.0, 3.0)
    machine.settled()
    assert 10 <= [machine.batch() for _ in range(1000)].count(4) <= 20


def test_each_size_is_judged_by_itself() -> None:
    machine = Machine(1.0, 3.0)
    assert machine.settled(rows=1) == 1
    machine.seconds[4] = 0.2
    assert machine.settled(rows=64) == 4
    assert machine.batch(rows=1) == 1


def test_the_library_is_told_only_of_a_change() -> None:
    machine = Machine(1.0, 3.0)
    machine.settled()
    told = list(machine.told)
    for _ in range(10):
        machine.batch()
    assert machine.told == told


def test_a_batch_that_raises_is_not_measured() -> None:
    machine = Machine(1.0, 0.5)
    for _ in range(10):
        with pytest.raises(ZeroDivisionError), machine.threads.sharing(8):
            raise ZeroDivisionError
    assert machine.settled() == 4


class Torch:
    """The two functions of torch's that matter."""

    def __init__(self, threads: int) -> None:
        self.threads, self.told = threads, list[int]()

    def get_num_threads(self) -> int:
        return self.threads

    def set_num_threads(self, threads: int) -> None:
        self.told.append(threads)


def test_a_model_without_torch_is_told_nothing() -> None:
    with Threads.of(None).sharing(1) as took:
        pass
    assert took.seconds >= 0


def test_torch_is_told_to_use_one_or_as_many_as_it_began_with() -> None:
    torch = Torch(threads=6)
    threads = Threads.of(torch)
    for _ in range(10):
        with threads.sharing(1):
            pass
    assert set(torch.told) == {1} or set(torch.told) == {1, 6}
