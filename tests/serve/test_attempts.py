"""What was tried to go live, and what is being done: in steps, by outcome, and never more than fifty."""

from serve.attempts import MOST, Attempt, Attempts, Seen
from tests.fakes import FakeClock

A, B = {"a": "sha256:a"}, {"a": "sha256:b"}


def attempts(clock: FakeClock | None = None) -> Attempts:
    moments = iter(range(1000))
    return Attempts(clock or FakeClock(), lambda: f"moment {next(moments)}")


def told(tried: Attempts) -> list[tuple[str, int]]:
    return [(one.outcome, one.tries) for one in tried]


def test_an_attempt_has_its_steps_in_the_order_and_the_seconds_they_took() -> None:
    clock = FakeClock()
    tried = attempts(clock)
    tried.begin(A)
    for step, seconds in (("admit", 0.5), ("environment", 2.0), ("start", 1.0), ("environment", 0.25)):
        with tried.step(step, "working"):
            clock.advance(seconds)
    tried.is_from("4f2b")
    tried.end("live")
    steps = (("admit", 0.5), ("environment", 2.25), ("start", 1.0))
    assert list(tried) == [Attempt("moment 0", A, "4f2b", steps, "live", since="moment 0")]


def test_what_is_being_done_is_told_as_long_as_it_lasts_with_how_far_it_is() -> None:
    tried, seen = attempts(), Seen()
    tried.begin(A)
    with tried.step("pull", "pulling 3.0 MB", seen):
        assert tried.doing is not None
        assert (tried.doing.step, tried.doing.told, tried.doing.progress) == ("pull", "pulling 3.0 MB", "")
        seen.tell("1.5 of 3.0 MB")
        assert tried.doing.progress == "1.5 of 3.0 MB"
    assert tried.doing is None


def test_a_step_that_fails_is_told_with_its_seconds_too() -> None:
    clock = FakeClock()
    tried = attempts(clock)
    tried.begin(A)
    try:
        with tried.step("pull", "pulling"):
            clock.advance(3.0)
            raise ValueError
    except ValueError:
        tried.end("pull_failed", "no remote")
    assert [(one.steps, one.outcome, one.reason) for one in tried] == [((("pull", 3.0),), "pull_failed", "no remote")]


def test_tries_that_end_alike_are_one_attempt_which_counts_them() -> None:
    tried = attempts()
    for models, outcome in (
        (A, "live"),
        (B, "pull_failed"),
        (B, "pull_failed"),
        (B, "pull_failed"),
        (A, "pull_failed"),
    ):
        tried.begin(models)
        tried.end(outcome, "why" if outcome != "live" else "")
    assert told(tried) == [("live", 1), ("pull_failed", 3), ("pull_failed", 1)]
    _, several, _ = tried
    assert (several.since, several.began) == ("moment 1", "moment 3")


def test_another_reason_and_another_time_live_are_attempts_of_their_own() -> None:
    tried = attempts()
    for outcome, reason in (("live", ""), ("live", ""), ("pull_failed", "a"), ("pull_failed", "b"), ("superseded", "")):
        tried.begin(A)
        tried.end(outcome, reason)
    assert told(tried) == [("live", 1), ("live", 1), ("pull_failed", 1), ("pull_failed", 1), ("superseded", 1)]


def test_what_falls_back_is_the_one_that_went_live_though_another_is_tried_meanwhile() -> None:
    tried = attempts()
    tried.begin(A)
    tried.end("live")
    tried.begin(B)
    tried.fell_back("fell_back", "3 workers died")
    assert [(one.outcome, one.reason) for one in tried] == [("fell_back", "3 workers died"), ("running", "")]
    tried.end("live")
    assert told(tried) == [("fell_back", 1), ("live", 1)]


def test_the_newest_fifty_are_kept() -> None:
    tried = attempts()
    for number in range(MOST + 10):
        tried.begin({"a": str(number)})
        tried.end("live")
    assert [one.models["a"] for one in tried] == [str(number) for number in range(10, MOST + 10)]


def test_what_is_done_for_no_attempt_is_told_and_not_kept() -> None:
    tried = attempts()
    with tried.step("pull", "pulling"):
        assert tried.doing is not None
    tried.end("live")
    assert (list(tried), tried.running) == ([], None)
