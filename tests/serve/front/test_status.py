import json

import pytest

from serve import errors
from serve.errors import AccessUnreadable, RolloutFailed, ServeError
from serve.front.status import RETRY_AFTER_SECONDS, STATUS, problem, retry_after, status


def family(root: type[ServeError]) -> list[type[ServeError]]:
    return [root, *(one for child in root.__subclasses__() for one in family(child))]


CALLERS = [
    (errors.MalformedRequest("no"), 400),
    (errors.Unauthenticated(), 401),
    (errors.Forbidden("k1", "predict"), 403),
    (errors.ModelNotFound("x", ("digits",)), 404),
    (errors.VersionNotFound("digits", "1", ("4f2b",)), 404),
    (errors.RouteNotFound("no"), 404),
    (errors.ReleaseNotFound("4f2b"), 404),
    (errors.MethodNotAllowed("no"), 405),
    (errors.NotAcceptable("no"), 406),
    (errors.TooDeep(64), 400),
    (errors.RequestTooSlow(5.0), 408),
    (errors.TargetTooLong("no"), 414),
    (errors.HeadersTooLarge("no"), 431),
    (errors.PayloadTooLarge("no"), 413),
    (errors.UnsupportedContent("no"), 415),
    (errors.InvalidInputs("no"), 422),
    (errors.QueueFull("digits", 5), 429),
    (errors.WaitTooLong("digits", 3.2, 2.0), 429),
    (errors.BodiesFull(5), 429),
    (errors.InternalError("no"), 500),
    (errors.PredictFailed("digits", "ValueError", "secret", "trace"), 500),
    (errors.WorkerDied("digits", "killed by SIGKILL"), 503),
    (errors.WorkerCrashed("digits", "killed by SIGKILL"), 500),
    (errors.BadOutput("digits", "2 rows with 1"), 500),
    (errors.OutputTooLarge("digits", "9 bytes"), 500),
    (errors.AsideDied("killed by SIGKILL"), 503),
    (errors.NotReady("no"), 503),
    (errors.TooManyConnections(), 503),
    (errors.DeadlineExceeded("digits", 1.5), 504),
    (errors.ReadTooSlowly("digits", 1.5), 504),
]


@pytest.mark.parametrize(("error", "code"), CALLERS, ids=[type(error).__name__ for error, _ in CALLERS])
def test_each_error_has_one_status(error: ServeError, code: int) -> None:
    assert status(error) == code


def test_every_error_that_reaches_callers_is_in_the_table_above() -> None:
    branches = {ServeError, errors.RequestRejected, errors.Unavailable, errors.ModelFailed}
    operators = RolloutFailed | AccessUnreadable | errors.SocketUnusable
    reach = {kind for kind in family(ServeError) if not issubclass(kind, operators)} - branches
    ours = {kind for kind in reach if kind.__module__.startswith("serve.errors.")}
    assert {type(error) for error, _ in CALLERS} == ours


def test_every_row_of_the_table_is_of_use() -> None:
    assert {kind for error, _ in CALLERS for kind in type(error).__mro__ if kind in STATUS} == set(STATUS)


def test_an_error_that_never_should_reach_a_caller_is_ours() -> None:
    assert status(errors.PinUnreadable("no")) == 500
    assert status(ServeError("no")) == 500


def test_codes_are_stable_words_of_which_no_two_are_equal() -> None:
    leaves = [kind.code for kind in family(ServeError) if not kind.__subclasses__()]
    assert len(set(leaves)) == len(leaves)
    assert all(code.replace("_", "").isalpha() and code.islower() for code in leaves)


def test_whoever_is_told_to_try_again_is_told_when() -> None:
    again = {status(error) for error, _ in CALLERS if isinstance(error, errors.Unavailable)}
    assert RETRY_AFTER_SECONDS.keys() == again - {504}


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        (errors.QueueFull("digits", 5), "1"),
        (errors.QueueFull("digits", 5, 2.0), "2"),
        (errors.WaitTooLong("digits", 0.2, 0.1), "1"),
        (errors.WaitTooLong("digits", 7.01, 2.0), "8"),
        (errors.NotReady("no"), "1"),
    ],
)
def test_when_follows_from_the_wait_in_whole_seconds_and_one_at_least(error: ServeError, seconds: str) -> None:
    assert retry_after(error) == (("retry-after", seconds),)


def test_who_is_not_to_try_again_is_not_told_when() -> None:
    assert retry_after(errors.DeadlineExceeded("digits", 1.5)) == ()
    assert retry_after(errors.RouteNotFound("no")) == ()


def test_a_problem_has_the_members_of_rfc_9457() -> None:
    assert json.loads(problem(errors.RouteNotFound("no route"))) == {
        "title": "Not Found",
        "status": 404,
        "code": "not_found",
        "detail": "no route",
    }


def test_a_problem_of_the_inputs_lists_each_flaw_with_its_place_up_to_a_bound() -> None:
    flaws = [errors.Flaw(f"inputs[{at}]", f"inputs[{at}] is null") for at in range(50)]
    told = json.loads(problem(errors.InvalidInputs("", flaws=flaws)))
    assert told["detail"] == "inputs[0] is null"
    assert told["errors"][:2] == [
        {"place": "inputs[0]", "detail": "inputs[0] is null"},
        {"place": "inputs[1]", "detail": "inputs[1] is null"},
    ]
    assert len(told["errors"]) == errors.InvalidInputs.MOST_FLAWS


def test_a_problem_of_all_of_the_inputs_has_no_place() -> None:
    assert json.loads(problem(errors.InvalidInputs("no rows")))["errors"] == [{"place": "", "detail": "no rows"}]


@pytest.mark.parametrize("error", [error for error, _ in CALLERS], ids=[type(error).__name__ for error, _ in CALLERS])
def test_every_status_has_its_own_title(error: ServeError) -> None:
    assert json.loads(problem(error))["title"]


def test_a_detail_with_half_a_surrogate_pair_is_still_an_answer() -> None:
    assert json.loads(problem(errors.InvalidInputs("a\ud800b")))["detail"] == "a?b"
