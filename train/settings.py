"""What a person may choose: the dataset and the hyper-parameters of one training.

Comes in: values from the command line. Goes out: one frozen, checked `Hyperparameters`; nothing else in
`train` checks them again. A field's docstring is its only description: the command's help shows it.
Light on purpose: no torch, so that `train --help` answers at once.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from train.errors import BadSetting


class DatasetName(StrEnum):
    """The datasets there are."""

    DIGITS = "digits"
    TUMOURS = "tumours"


class Objective(StrEnum):
    """What a sweep seeks, by the metric's name."""

    ACCURACY = "val_accuracy"
    F1 = "val_f1"
    LOSS = "val_loss"

    @property
    def direction(self) -> Literal["minimize", "maximize"]:
        """Which way is better."""
        return "minimize" if self is Objective.LOSS else "maximize"


class Hyperparameters(BaseModel):
    """What decides a training, together with the dataset: the same values give the same model."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    learning_rate: float = Field(gt=0, le=10, allow_inf_nan=False)
    """Step size of the optimiser at the start; it falls to zero along a half cosine."""

    batch_size: int = Field(ge=1)
    """Rows per optimisation step."""

    epochs: int = Field(ge=1, le=10_000)
    """Passes over the training rows."""

    seed: int = Field(default=0, ge=0, lt=2**32)
    """Seed of the first weights, the order of rows and dropout."""

    hidden: int = Field(ge=1, le=512)
    """Width of the hidden layers."""

    dropout: float = Field(ge=0, lt=1, allow_inf_nan=False)
    """Share of hidden units left out at each step of training."""

    weight_decay: float = Field(default=1e-4, ge=0, allow_inf_nan=False)
    """Pull of the weights towards zero (AdamW)."""


DEFAULTS: Mapping[DatasetName, Hyperparameters] = {
    DatasetName.DIGITS: Hyperparameters(learning_rate=3e-3, batch_size=32, epochs=15, hidden=64, dropout=0.2),
    DatasetName.TUMOURS: Hyperparameters(learning_rate=3e-3, batch_size=32, epochs=30, hidden=16, dropout=0.1),
}


def describe(field: str) -> str:
    """The field's docstring in a line for the command's help."""
    return " ".join((Hyperparameters.model_fields[field].description or "").split())


def describe_default(field: str) -> str:
    """The field's default: one where the datasets agree, else one each."""
    values = {name: getattr(hyperparameters, field) for name, hyperparameters in DEFAULTS.items()}
    if len(set(values.values())) == 1:
        return str(next(iter(values.values())))
    return ", ".join(f"{name} {value}" for name, value in values.items())


def choose(dataset: DatasetName, **given: float | None) -> Hyperparameters:
    """The dataset's defaults, with what was given in their place. Raises BadSetting."""
    chosen = {name: value for name, value in given.items() if value is not None}
    try:
        return Hyperparameters.model_validate(DEFAULTS[dataset].model_dump() | chosen)
    except ValidationError as error:
        first = error.errors()[0]
        rule = first["msg"].replace("Input should", "it must")
        raise BadSetting(str(first["loc"][0]), first["input"], rule) from None
