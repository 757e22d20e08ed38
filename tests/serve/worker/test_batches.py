from serve.journey import Journey
from serve.worker.batches import Batches


def journeys(*ids: str) -> list[Journey | None]:
    return [Journey(one) for one in ids]


def test_a_batch_is_told_by_its_number_while_it_is_remembered() -> None:
    batches = Batches()
    first = batches.begin(journeys("a", "b"))
    assert batches.told(first) == {"requests": ["a", "b"]}
    for _ in range(15):
        last = batches.begin(journeys("c"))
    assert batches.told(first) == {"requests": ["a", "b"]}
    batches.begin(journeys("d"))
    assert batches.told(first) == {}
    assert batches.told(last) == {"requests": ["c"]}
    assert batches.told(0) == batches.told(99) == {}


def test_of_many_requests_some_are_told_and_how_many_more() -> None:
    batches = Batches()
    number = batches.begin(journeys(*map(str, range(20))))
    assert batches.told(number) == {"requests": [str(at) for at in range(16)], "more_requests": 4}


def test_what_is_no_callers_is_not_told() -> None:
    batches = Batches()
    assert batches.told(batches.begin([None, Journey("a"), None])) == {"requests": ["a"]}
    assert batches.told(batches.begin([None])) == {}


def test_a_batch_is_in_hand_until_it_is_answered() -> None:
    batches = Batches()
    assert batches.told_in_hand() == {}
    batches.begin(journeys("a"))
    assert batches.told_in_hand() == {"requests": ["a"]}
    batches.end()
    assert batches.told_in_hand() == {}
