"""Hyper-parameters: defaults, and values that are refused."""

import math

import pytest
from pydantic import ValidationError

from train.errors import BadSetting
from train.settings import DEFAULTS, DatasetName, Hyperparameters, Objective, choose, describe, describe_default


@pytest.mark.parametrize("name", DatasetName)
def test_every_dataset_has_defaults(name: DatasetName) -> None:
    assert choose(name) == DEFAULTS[name]


def test_what_is_given_replaces_the_default_and_nothing_else() -> None:
    chosen = choose(DatasetName.DIGITS, learning_rate=0.5, epochs=None)
    assert chosen == DEFAULTS[DatasetName.DIGITS].model_copy(update={"learning_rate": 0.5})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("learning_rate", 0.0),
        ("learning_rate", -1e-3),
        ("learning_rate", math.nan),
        ("learning_rate", math.inf),
        ("batch_size", 0),
        ("epochs", 0),
        ("seed", -1),
        ("seed", 2**32),
        ("hidden", 0),
        ("dropout", 1.0),
        ("weight_decay", -1.0),
    ],
)
def test_an_impossible_value_is_refused_by_its_option_name(field: str, value: float) -> None:
    with pytest.raises(BadSetting, match="--" + field.replace("_", "-")) as refused:
        choose(DatasetName.DIGITS, **{field: value})
    assert refused.value.exit_code == 2
    assert "\n" not in str(refused.value)


def test_hyperparameters_do_not_change() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        choose(DatasetName.DIGITS).epochs = 3  # type: ignore[misc]


@pytest.mark.parametrize("field", Hyperparameters.model_fields)
def test_every_hyperparameter_is_described(field: str) -> None:
    assert describe(field).endswith((".", ")."))


def test_a_default_is_told_for_each_dataset_only_where_they_differ() -> None:
    assert describe_default("seed") == "0"
    assert describe_default("epochs") == "digits 15, tumours 30"


def test_only_a_loss_is_better_when_smaller() -> None:
    assert {objective for objective in Objective if objective.direction == "minimize"} == {Objective.LOSS}
