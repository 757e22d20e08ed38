"""The command's own choices: what a model is called, which way is better, what a reason looks like."""

import signal
import warnings
from types import SimpleNamespace

import pytest
import requests
import typer
from mlflow.exceptions import MlflowException

with warnings.catch_warnings():  # MLflow's pyfunc warns of its own type hints as it is imported
    warnings.simplefilter("ignore")
    from promote.__main__ import _name, _refusals

from promote.errors import PromotionRefused
from promote.field import lower_is_better
from promote.source import Candidate, logged_model, mlflow_said
from serve.errors import PullFailed


@pytest.mark.parametrize(
    ("candidate", "name"),
    [
        (Candidate("/models/iris", local=True), "iris"),
        (Candidate("models:/m-1", experiment="digits"), "digits"),
        (Candidate("models:/fleet/3", experiment="digits", registered=("fleet", "3")), "fleet"),
        (
            Candidate("x", experiment="/Users/ada@example.org/My Experiment (2)"),
            "Users-ada-example.org-My-Experiment-2",
        ),
        (Candidate("x", experiment="__x__"), "x"),
        (Candidate("x", experiment="x" * 100), "x" * 64),
    ],
)
def test_a_model_is_named_for_where_it_comes_from(candidate: Candidate, name: str) -> None:
    assert _name(None, candidate) == name


def test_a_name_that_is_given_is_taken_as_it_is() -> None:
    assert _name("Iris-2.1_a", Candidate("x", experiment="digits")) == "Iris-2.1_a"


@pytest.mark.parametrize("name", ["../x", "a b", "-x", ".x", "x" * 65, "é", "a\nb"])
def test_a_name_that_can_not_be_served_is_refused(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit):
        _name(name, Candidate("x"))
    assert "can't be a model's name" in capsys.readouterr().err


def test_where_nothing_can_be_a_name_one_must_be_given(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit):
        _name(None, Candidate("x", experiment="実験"))
    assert "see --name" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("metric", "lower"),
    [
        ("loss", True), ("val_loss", True), ("VAL/LOSS", True), ("error", True), ("mae", True), ("test_mse", True),
        ("rmse", True), ("val_accuracy", False), ("auc", False), ("f1", False), ("loss_ratio", False),
    ],
)  # fmt: skip
def test_a_metrics_name_says_which_way_is_better(metric: str, lower: bool) -> None:
    assert lower_is_better(metric) is lower


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (MlflowException("Run 'x' not found"), "Run 'x' not found"),
        (MlflowException(""), "MlflowException"),
        (MlflowException("\n\nfirst\nsecond"), "first"),
        (ValueError("odd\x1b[31m"), "ValueError: odd [31m"),
        (MlflowException("API request to http://ada:hunter2@host/api failed"), "API request to http://host/api failed"),
        (requests.ConnectionError("Max retries exceeded"), "it does not answer"),
        (MlflowException("x" * 1000), "x" * 300),
    ],
)
def test_what_mlflow_raises_becomes_one_line_without_passwords(error: Exception, said: str) -> None:
    with pytest.raises(PromotionRefused) as caught, mlflow_said():
        raise error
    assert str(caught.value).startswith("MLflow at ")
    assert str(caught.value).endswith(f": {said}")
    assert "hunter2" not in str(caught.value)


def test_a_failure_of_the_network_is_found_beneath_mlflows_own() -> None:
    error = MlflowException("API request failed")
    error.__cause__ = requests.Timeout("slow")
    with pytest.raises(PromotionRefused, match="it does not answer"), mlflow_said():
        raise error


@pytest.mark.parametrize(
    ("error", "code", "sentence"),
    [
        (PromotionRefused("no\nwhy"), 1, "no why"),
        (PullFailed("the remote is gone"), 1, "the remote is gone"),
        (OSError(28, "No space left on device", "/state/x"), 1, "No space left on device: /state/x; nothing in the"),
        (OSError("odd"), 1, "odd; nothing in the repository changed"),
        (RuntimeError("odd\x1b[31m"), 1, "unexpected RuntimeError: odd [31m; nothing in the repository changed"),
        (KeyboardInterrupt(), 130, "interrupted; nothing in the repository changed"),
    ],
)
def test_whatever_goes_wrong_ends_in_one_sentence(
    error: BaseException, code: int, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        with pytest.raises(typer.Exit) as caught, _refusals():
            raise error
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    assert caught.value.exit_code == code
    told = capsys.readouterr().err
    assert told.startswith(f"promote: {sentence}")
    assert told.count("\n") == 1


def test_a_refusal_passes_through_unchanged() -> None:
    with pytest.raises(PromotionRefused, match=r"^no$"), mlflow_said():
        raise PromotionRefused("no")


@pytest.mark.parametrize(
    ("model_id", "source", "found"),
    [
        ("m-1", "s3://bucket/x", "m-1"),
        (None, "models:/m-2", "m-2"),
        (None, "models:/fleet/1", ""),
        (None, "runs:/1/model", ""),
        (None, None, ""),
    ],
)
def test_a_registered_version_names_its_logged_model_in_either_way(
    model_id: str | None, source: str | None, found: str
) -> None:
    assert logged_model(SimpleNamespace(model_id=model_id, source=source)) == found  # type: ignore[arg-type]
