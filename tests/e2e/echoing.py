"""A release of two echoes that are asked in every way: several tensors, and a column of every type with params."""

from pathlib import Path

import numpy as np
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, ParamSchema, ParamSpec, Schema, TensorSpec
from mlflow.types.schema import Array

from tests.models.echoes import echo
from tests.promoting import Repository
from tests.repositories import new_repository

NUMBERS = {"BOOL": "?", "UINT8": "u1", "INT64": "i8", "UINT64": "u8", "FP16": "f2", "FP32": "f4", "FP64": "f8"}
TYPES = ("boolean", "integer", "long", "float", "double", "string", "binary", "datetime")


def tensors(target: Path) -> Path:
    """An echo of several named tensors."""
    specs = [TensorSpec(np.dtype(dtype), (-1, 2), name) for name, dtype in NUMBERS.items()]
    schema = Schema([*specs, TensorSpec(np.dtype("U"), (-1,), "words")])
    example = {**{name: [[True, False]] if name == "BOOL" else [[1, 0]] for name in NUMBERS}, "words": ["a"]}
    return echo(target, ModelSignature(schema, schema), {"inputs": example})


def columns(target: Path) -> Path:
    """An echo of a column of every type, which takes params."""
    schema = Schema([*(ColSpec(type_, type_) for type_ in TYPES), ColSpec(Array("double"), "list")])
    params = ParamSchema([ParamSpec("times", "long", 1), ParamSpec("nap", "double", 0.0)])
    values = (True, 1, 2, 0.5, 0.25, "s", "AAE=", "2024-05-31T12:00:00")
    row = {**dict(zip(TYPES, values, strict=True)), "list": [1.0]}
    return echo(target, ModelSignature(schema, schema, params), {"inputs": [row]})


def repository_in(root: Path) -> Repository:
    """That in `root`, with the state folder beside it."""
    return Repository(root / "repo", root / "state")


def released(root: Path) -> Repository:
    """A repository in `root` that has promoted both."""
    (root / "models").mkdir()
    new_repository(root / "repo")
    one = repository_in(root)
    for model in (tensors(root / "models" / "tensors"), columns(root / "models" / "columns")):
        told = one.promote_here(model, "--name", model.name)
        assert told.code == 0, told.stderr
    return one
