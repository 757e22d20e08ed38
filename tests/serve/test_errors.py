import copy

import pytest

from serve import errors


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (errors.ModelNotFound("x", ()), "no model named 'x' is live; live models: none"),
        (errors.ModelNotFound("x", ("a", "b")), "no model named 'x' is live; live models: a, b"),
        (errors.ModelNotFound(None, ("a", "b")), "several models are live (a, b): name one, as in /models/a/predict"),
        (errors.QueueFull("a", 5), "model 'a' has 5 rows waiting, as many as its queue holds: try again later"),
        (
            errors.WaitTooLong("a", 3.21, 2.0),
            "model 'a' is busy for about 3.2 seconds, and this request may wait 2: try again later",
        ),
        (errors.DeadlineExceeded("a", 30.0), "model 'a' did not answer within 30 seconds"),
        (
            errors.WorkerCrashed("a", "killed by SIGKILL"),
            "this request ends the workers of model 'a' (killed by SIGKILL); it is not tried again",
        ),
        (
            errors.MachineFailed(OSError(28, "No space left on device", "/srv/x")),
            "the machine refused what this takes: No space left on device (x)",
        ),
        (errors.MachineFailed(OSError(24, "Too many")), "the machine refused what this takes: Too many"),
        (errors.BadOutput("a", "3 rows with 2"), "model 'a' answered 3 rows with 2: its author must look"),
        (errors.OutputTooLarge("a", "9 bytes"), "model 'a' answered too much: 9 bytes"),
        (
            errors.WorkerDied("a", "killed by SIGKILL"),
            "a worker of model 'a' died while predicting (killed by SIGKILL)",
        ),
    ],
)
def test_an_error_builds_its_sentence_from_what_it_knows(error: errors.ServeError, message: str) -> None:
    assert error.message == str(error) == message
    copied = copy.copy(error)
    assert (type(copied), str(copied), vars(copied)) == (type(error), message, vars(error))


def test_what_a_model_raised_is_kept_from_its_callers() -> None:
    error = errors.PredictFailed("a", "ValueError", "password", "Traceback …")
    assert error.message == "model 'a' failed on this input (ValueError); the server's log has the details"
    assert (error.kind, error.detail, error.trace) == ("ValueError", "password", "Traceback …")


def test_only_failures_that_may_pass_by_themselves_are_tried_again() -> None:
    transient = {kind for kind in errors.RolloutFailed.__subclasses__() if kind.transient}
    assert transient == {
        errors.RemoteNotTrusted,
        errors.PullFailed,
        errors.DigestMismatch,
        errors.EnvironmentFailed,
        errors.MachineFailed,
        errors.CommitRefused,
    }
