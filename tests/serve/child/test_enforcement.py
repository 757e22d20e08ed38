"""Without MLflow's enforcement a model answers as it does with it, and is called so only where that is sure."""

from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow.models import ModelSignature
from mlflow.pyfunc import PyFuncModel, PythonModel
from mlflow.types import ColSpec, ParamSchema, ParamSpec, Schema, TensorSpec
from sklearn.linear_model import LinearRegression

from serve.child.wire import BASE64, JSON, Batch, Part, Results, Value
from tests.models.echoes import echo
from tests.serve.child.conftest import child_module

FRAME = Schema([ColSpec("double", "a"), ColSpec("double", "b")])
TENSOR = Schema([TensorSpec(np.dtype("float32"), (-1, 2))])
NAMED = Schema([TensorSpec(np.dtype("int64"), (-1,), "a"), TensorSpec(np.dtype("bool"), (-1, 2), "b")])
THRESHOLD = ParamSchema([ParamSpec("threshold", "double", 0.5)])


class Doubles(PythonModel):
    def predict(self, context, model_input: pd.DataFrame):  # type: ignore[no-untyped-def]
        return model_input * 2


class Told(PythonModel):
    def predict(self, context, model_input: pd.DataFrame, params=None):  # type: ignore[no-untyped-def]
        return model_input * (params or {"threshold": 2})["threshold"]


class Sums(PythonModel):
    def predict(self, context, model_input: np.ndarray):  # type: ignore[no-untyped-def]
        return {"sum": model_input["a"] + model_input["b"].sum(axis=1)}


class Hinted(PythonModel):
    def predict(self, context, model_input: list[str], params=None) -> list[str]:  # type: ignore[no-untyped-def]
        return model_input


def python(model: PythonModel, inputs: Schema | None, params: ParamSchema | None = None) -> Callable[[Path], None]:
    given = {} if inputs is None else {"signature": ModelSignature(inputs, None, params)}
    return lambda path: mlflow.pyfunc.save_model(path, python_model=model, pip_requirements=[], **given)


def sklearn(inputs: Schema) -> Callable[[Path], None]:
    fitted = LinearRegression().fit(np.array([[0.0, 1.0], [1.0, 0.0], [2.0, 2.0]]), [1.0, 2.0, 3.0])
    signature = ModelSignature(inputs, Schema([TensorSpec(np.dtype("float64"), (-1,))]))
    return lambda path: mlflow.sklearn.save_model(
        fitted, path, signature=signature, pip_requirements=[], serialization_format="cloudpickle"
    )


def load(save: Callable[[Path], None], path: Path) -> PyFuncModel:
    save(path)
    return mlflow.pyfunc.load_model(str(path))


def array(dtype: str, *shape: int, name: str | None = None, columns: tuple[str, ...] = ()) -> Part:
    data = (np.arange(np.prod(shape)) % 2 + 0.5 * (dtype[1] == "f")).astype(dtype)
    return Part(name, dtype, shape, bytearray(data.tobytes()), columns)


BLOCK = Value("frame", (array("<f8", 3, 2, columns=("a", "b")),))
COLUMNS = Value("frame", (array("<f8", 3, name="a"), array("<f8", 3, name="b")))
MATRIX = Value("array", (array("<f4", 3, 2),))
TENSORS = Value("arrays", (array("<i8", 3, name="a"), array("|b1", 3, 2, name="b")))

DIRECT: Mapping[str, tuple[Callable[[Path], None], Value]] = {
    "python, a block of columns": (python(Doubles(), FRAME), BLOCK),
    "python, columns": (python(Doubles(), FRAME), COLUMNS),
    "python, an array": (python(Doubles(), TENSOR), MATRIX),
    "python, named arrays": (python(Sums(), NAMED), TENSORS),
    "python, without a signature": (python(Doubles(), None), MATRIX),
    "python that takes params and declares none": (python(Told(), FRAME), BLOCK),
    "sklearn, a block of columns": (sklearn(FRAME), BLOCK),
    "sklearn, an array": (sklearn(TENSOR), MATRIX),
    "a loader module": (
        lambda path: echo(path, ModelSignature(FRAME), {"dataframe_split": {"columns": ["a", "b"], "data": [[1, 2]]}}),
        BLOCK,
    ),
}


@pytest.fixture(scope="session")
def enforcement() -> ModuleType:
    return child_module("enforcement")


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::UserWarning")
@pytest.mark.parametrize("name", DIRECT)
def test_called_directly_a_model_is_given_and_answers_the_same(
    enforcement: ModuleType, inputs: ModuleType, outputs: ModuleType, tmp_path: Path, name: str
) -> None:
    save, value = DIRECT[name]
    pyfunc = load(save, tmp_path / "model")
    predict = enforcement.direct(pyfunc)
    assert predict is not None
    assert enforcement.is_exact(value)
    result = predict(inputs.given((value,), pyfunc.metadata))
    expected = pyfunc.predict(inputs.given((value,), pyfunc.metadata))
    assert type(result) is type(expected)
    assert outputs.to_value(result) == outputs.to_value(expected)
    if isinstance(result, pd.DataFrame):
        pd.testing.assert_frame_equal(result, expected)


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::UserWarning")
@pytest.mark.parametrize(
    "save",
    [
        pytest.param(python(Told(), FRAME, THRESHOLD), id="params, which have defaults to be filled in"),
        pytest.param(python(Hinted(), None), id="type hints"),
    ],
)
def test_a_model_for_which_mlflow_does_more_is_never_called_directly(
    enforcement: ModuleType, tmp_path: Path, save: Callable[[Path], None]
) -> None:
    assert enforcement.direct(load(save, tmp_path / "model")) is None


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::UserWarning")
def test_the_params_of_a_request_and_their_defaults_reach_the_model(
    model: ModuleType, outputs: ModuleType, tmp_path: Path
) -> None:
    pyfunc = load(python(Told(), FRAME, THRESHOLD), tmp_path / "model")
    one = model.Model(pyfunc)
    for params in ({}, {"threshold": 3.0}):
        (answer,) = one.predict((BLOCK,), params).answers
        assert answer == outputs.to_value(pyfunc.predict(pyfunc_input(), params=params or None))


def pyfunc_input() -> pd.DataFrame:
    return pd.DataFrame(np.frombuffer(BLOCK.parts[0].data, "<f8").reshape(3, 2), columns=["a", "b"])


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::UserWarning")
def test_a_batch_is_answered_in_one_piece_as_its_rows_are_alone(model: ModuleType, tmp_path: Path) -> None:
    one = model.Model(load(sklearn(FRAME), tmp_path / "model"))
    found = one.predict_batch(Batch(BLOCK, (1, 2)))
    assert isinstance(found, Results)
    (alone,) = one.predict((BLOCK,), {}).answers
    assert found.value == alone
    assert found.value.rows == 3


class Metadata:
    """Of a model with no more to it than a schema, except `facts` and that `asked` says yes."""

    def __init__(self, asked: str = "", facts: Mapping[str, Any] | None = None) -> None:
        self.metadata = facts
        if asked:
            setattr(self, asked, lambda: True)


class Pyfunc:
    """A loaded model of any MLflow, whose own predict is `predict`."""

    def __init__(self, predict: Any, metadata: object) -> None:
        self._predict_fn, self.metadata = predict, metadata


@pytest.mark.parametrize(
    "pyfunc",
    [
        pytest.param(object(), id="an MLflow built otherwise"),
        pytest.param(Pyfunc(None, Metadata()), id="nothing to call"),
        pytest.param(Pyfunc(len, None), id="no metadata"),
        pytest.param(Pyfunc(max, Metadata()), id="a predict that does not say what it takes"),
        pytest.param(Pyfunc(3, Metadata()), id="a predict that can not be called"),
        pytest.param(Pyfunc(len, Metadata("get_params_schema")), id="declared params"),
        pytest.param(Pyfunc(len, Metadata("_is_signature_from_type_hint")), id="type hints"),
        pytest.param(Pyfunc(len, Metadata("_is_type_hint_from_example")), id="a type hint from an example"),
        pytest.param(Pyfunc(len, Metadata(facts={"dependencies_schemas": {}})), id="a context of dependencies"),
    ],
)
def test_where_anything_else_is_to_be_done_a_model_is_not_called_directly(
    enforcement: ModuleType, pyfunc: object
) -> None:
    assert enforcement.direct(pyfunc) is None


@pytest.mark.parametrize(
    ("predict", "given"),
    [
        pytest.param(lambda data: (data,), (1,), id="data alone"),
        pytest.param(lambda data, params: (data, params), (1, None), id="params too"),
        pytest.param(lambda data, **params: (data, params), (1, {}), id="params by any name"),
    ],
)
def test_params_are_given_as_mlflow_gives_them(enforcement: ModuleType, predict: Any, given: Any) -> None:
    assert enforcement.direct(Pyfunc(predict, Metadata(facts={"by": "hand"})))(1) == given


@pytest.mark.parametrize(
    ("value", "exact"),
    [
        (BLOCK, True),
        (MATRIX, True),
        (TENSORS, True),
        (Value("array", (Part(None, "|b1", (1,), b"1"),)), True),
        (Value("array", (Part(None, "<M8[ns]", (1,), bytes(8)),)), False),
        (Value("array", (Part(None, "<U1", (1,), bytes(4)),)), False),
        (Value("frame", (*COLUMNS.parts, Part("c", JSON, (3,), b"[1,2,3]"))), False),
        (Value("frame", (Part("c", BASE64, (1,), b'[""]'),)), False),
        (Value("json", (Part(None, JSON, (), b"1"),)), False),
        (Value("request", (Part("inputs", JSON, (1,), b"{}"),)), False),
    ],
)
def test_only_numbers_and_booleans_go_past_enforcement(enforcement: ModuleType, value: Value, exact: bool) -> None:
    assert enforcement.is_exact(value) is exact
