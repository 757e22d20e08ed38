import pytest

from serve.child.wire import Part, Value
from serve.worker.killers import Killers
from tests.fakes import FakeClock


def value(data: bytes = b"1", dtype: str = "|u1", shape: tuple[int, ...] = (1,), name: str | None = None) -> Value:
    return Value("array", (Part(name, dtype, shape, data),))


def test_the_same_request_is_known_and_no_other() -> None:
    killers = Killers()
    assert not killers
    killers.remember(value(), {"a": 1})
    assert killers
    assert killers.knows(value(), {"a": 1})


@pytest.mark.parametrize(
    ("other", "params"),
    [
        (value(b"2"), {"a": 1}),
        (value(dtype="|i1"), {"a": 1}),
        (value(shape=(1, 1)), {"a": 1}),
        (value(name="x"), {"a": 1}),
        (Value("frame", value().parts), {"a": 1}),
        (value(), {"a": 2}),
        (value(), {}),
    ],
)
def test_whatever_differs_is_another(other: Value, params: dict[str, int]) -> None:
    killers = Killers()
    killers.remember(value(), {"a": 1})
    assert not killers.knows(other, params)


def test_after_ten_minutes_it_is_forgotten() -> None:
    clock = FakeClock(0.0)
    killers = Killers(clock)
    killers.remember(value(b"1"), {})
    clock.advance(300.0)
    killers.remember(value(b"2"), {})
    clock.advance(299.0)
    assert killers.knows(value(b"1"), {})
    clock.advance(1.0)
    assert not killers.knows(value(b"1"), {})
    assert killers.knows(value(b"2"), {})
    clock.advance(300.0)
    assert not killers.knows(value(b"2"), {})
    assert not killers


def test_of_very_many_the_oldest_are_forgotten() -> None:
    killers = Killers()
    for number in range(1100):
        killers.remember(value(b"%d" % number), {})
    assert len(killers) == 1024
    assert not killers.knows(value(b"0"), {})
    assert killers.knows(value(b"1099"), {})


def test_one_that_does_it_again_is_remembered_from_then_on() -> None:
    clock = FakeClock(0.0)
    killers = Killers(clock)
    killers.remember(value(), {})
    clock.advance(500.0)
    killers.remember(value(), {})
    clock.advance(500.0)
    assert killers.knows(value(), {})
