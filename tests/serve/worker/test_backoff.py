from serve.worker.backoff import Backoff


def test_pauses_double_up_to_half_a_minute_until_one_answers() -> None:
    backoff = Backoff()
    pauses = [backoff.failed() for _ in range(11)]
    assert pauses == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 30.0, 30.0]
    backoff.answered()
    assert backoff.failed() == 0.1


def test_in_a_minute_no_more_than_ten_are_replaced_by_a_model_that_ends_them_all() -> None:
    backoff, seconds, replaced = Backoff(), 0.0, 0
    while (seconds := seconds + backoff.failed()) < 60.0:
        replaced += 1
    assert replaced <= 10


def test_three_times_in_a_row_is_hopeless() -> None:
    backoff = Backoff()
    told = []
    for _ in range(3):
        backoff.failed()
        told.append(backoff.hopeless)
    assert told == [False, False, True]
    backoff.answered()
    assert not backoff.hopeless


def test_after_very_many_failures_the_pause_is_the_longest_still() -> None:
    backoff = Backoff()
    for _ in range(2000):
        last = backoff.failed()
    assert last == 30.0
