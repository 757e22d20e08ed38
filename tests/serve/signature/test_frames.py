from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serve.child.wire import BASE64, JSON, Value
from serve.errors import InvalidInputs
from serve.signature.frames import bind
from serve.signature.payload import Payload
from serve.signature.spec import SCALARS, ArrayType, Column, Signature
from tests.serve.signature.reading import array, columns, items

XY = Signature(columns=(Column("x", "double", True), Column("y", "string", True)))
OPTIONAL = Signature(columns=(Column("x", "double", True), Column("y", "string", False)))
NESTED = Signature(columns=(Column("x", ArrayType("long"), False),))
UNNAMED = Signature(columns=(Column(None, "double", True),))


def bound(signature: Signature, form: str, data: Any) -> Value:
    return bind(Payload(form, data), signature)[0]


def refusal(signature: Signature, form: str, data: Any) -> str:
    with pytest.raises(InvalidInputs) as caught:
        bound(signature, form, data)
    return caught.value.message


def typed(kind: str, *, required: bool = True) -> Signature:
    return Signature(columns=(Column("x", kind, required),))


@pytest.mark.parametrize(
    ("form", "data"),
    [
        pytest.param("dataframe_split", {"columns": ["x", "y"], "data": [[1, "a"], [2.5, "b"]]}, id="split"),
        pytest.param("dataframe_split", {"columns": ["y", "x"], "data": [["a", 1], ["b", 2.5]]}, id="split turned"),
        pytest.param("dataframe_split", {"data": [[1, "a"], [2.5, "b"]]}, id="split without columns"),
        pytest.param(
            "dataframe_split", {"columns": ["x", "y"], "data": [[1, "a"], [2.5, "b"]], "index": [7, 8]}, id="i"
        ),
        pytest.param("dataframe_records", [{"x": 1, "y": "a"}, {"y": "b", "x": 2.5}], id="records"),
        pytest.param("inputs", [{"x": 1, "y": "a"}, {"x": 2.5, "y": "b"}], id="inputs by row"),
        pytest.param("instances", [{"x": 1, "y": "a"}, {"x": 2.5, "y": "b"}], id="instances by row"),
        pytest.param("inputs", {"y": ["a", "b"], "x": [1, 2.5]}, id="inputs by column"),
    ],
)
def test_every_form_becomes_the_signatures_columns_in_its_order(form: str, data: Any) -> None:
    value = bound(XY, form, data)
    assert list(columns(value).items()) == [("x", [1.0, 2.5]), ("y", ["a", "b"])]
    assert value.rows == 2


def test_a_column_of_one_value_may_stand_without_a_list() -> None:
    assert columns(bound(XY, "inputs", {"x": 1, "y": "a"})) == {"x": [1.0], "y": ["a"]}


@pytest.mark.parametrize("form", ["inputs", "instances"])
@pytest.mark.parametrize("signature", [UNNAMED, typed("double")])
def test_the_only_column_may_come_as_a_list(form: str, signature: Signature) -> None:
    assert columns(bound(signature, form, [1, 2])) == {signature.columns[0].name: [1.0, 2.0]}


def test_rows_may_leave_out_optional_columns() -> None:
    assert columns(bound(OPTIONAL, "dataframe_records", [{"x": 1}, {"x": 2, "y": "b"}])) == {
        "x": [1.0, 2.0],
        "y": [None, "b"],
    }
    assert columns(bound(OPTIONAL, "dataframe_records", [{"x": 1}])) == {"x": [1.0]}


def test_columns_named_by_numbers_keep_their_names() -> None:
    numbered = Signature(columns=(Column(0, "double", True), Column(1, "double", True)))  # type: ignore[arg-type]
    assert columns(bound(numbered, "dataframe_split", {"columns": [0, 1], "data": [[1, 2]]})) == {0: [1.0], 1: [2.0]}


@pytest.mark.parametrize(
    ("kind", "data", "dtype"),
    [
        ("boolean", [True, False], "|b1"),
        ("integer", [2**31 - 1, -(2**31)], "<i4"),
        ("long", [2**63 - 1, -(2**63)], "<i8"),
        ("float", [1, 2.5], "<f4"),
        ("double", [1, 2.5, 1e300], "<f8"),
        ("string", ["a", "", "Grüße"], JSON),
        ("binary", ["AA==", ""], BASE64),
    ],
)
def test_each_type_takes_its_values(kind: str, data: list[Any], dtype: str) -> None:
    part = bound(typed(kind), "inputs", {"x": data}).parts[0]
    assert (part.name, part.dtype, part.shape) == ("x", dtype, (len(data),))
    assert items(part) == data


def test_a_datetime_becomes_nanoseconds() -> None:
    part = bound(typed("datetime"), "inputs", {"x": ["2024-05-31", "2024-05-31T12:00:00+02:00"]}).parts[0]
    assert part.dtype == SCALARS["datetime"]
    assert array(part).astype("M8[m]").astype(str).tolist() == ["2024-05-31T00:00", "2024-05-31T10:00"]


@pytest.mark.parametrize(
    ("kind", "some"),
    [("boolean", True), ("string", "a"), ("binary", "AA==")],
)
def test_null_in_an_optional_column_stays_null(kind: str, some: Any) -> None:
    part = bound(typed(kind, required=False), "inputs", {"x": [some, None]}).parts[0]
    assert part.dtype == (BASE64 if kind == "binary" else JSON)
    assert items(part) == [some, None]


@pytest.mark.parametrize("required", [True, False])
@pytest.mark.parametrize("kind", ["float", "double"])
def test_null_among_floats_is_nan(kind: str, required: bool) -> None:
    found = items(bound(typed(kind, required=required), "inputs", {"x": [1, None]}).parts[0])
    assert found[0] == 1.0
    assert found[1] != found[1]


def test_null_among_optional_dates_is_no_time() -> None:
    part = bound(typed("datetime", required=False), "inputs", {"x": ["2024-05-31", None]}).parts[0]
    assert array(part).astype("M8[D]").astype(str).tolist() == ["2024-05-31", "NaT"]


def test_null_among_required_strings_stays_null() -> None:
    assert columns(bound(typed("string"), "inputs", {"x": ["a", None]})) == {"x": ["a", None]}


@pytest.mark.parametrize(
    ("kind", "data", "told"),
    [
        ("boolean", [True, 1], "inputs.x[1] is a number; the model takes boolean there"),
        ("integer", [1, 2.5], "inputs.x[1] is a number; the model takes integer there"),
        ("integer", [True], "inputs.x[0] is a boolean; the model takes integer there"),
        ("integer", [2**31], "inputs.x[0] is a number outside the range of integer"),
        ("long", ["1"], "inputs.x[0] is a string; the model takes long there"),
        ("long", [2**63], "inputs.x[0] is a number outside the range of long"),
        ("float", [1e300], "inputs.x[0] is a number outside the range of float"),
        ("double", [1, "2"], "inputs.x[1] is a string; the model takes double there"),
        ("double", [False], "inputs.x[0] is a boolean; the model takes double there"),
        ("double", [[1]], "inputs.x[0] is a list; the model takes double there"),
        ("string", ["a", 1], "inputs.x[1] is a number; the model takes string there"),
        ("binary", [1], "inputs.x[0] is a number; the model takes binary there"),
        ("binary", ["AA==", "A"], "inputs.x[1] is no base64, as binary values are written"),
        ("binary", ["A!A="], "inputs.x[0] is no base64, as binary values are written"),
        ("binary", ["ü"], "inputs.x[0] is no base64, as binary values are written"),
        ("datetime", [{}], "inputs.x[0] is an object; the model takes datetime there"),
        ("datetime", ["noon"], "inputs.x[0] is no date of the years 1678 to 2261, as in 2024-05-31T12:00:00"),
        ("boolean", [True, None], "inputs.x[1] is null; the model takes boolean there"),
        ("integer", [None], "inputs.x[0] is null; the model takes integer there"),
        ("long", [1, None], "inputs.x[1] is null; the model takes long there"),
        ("datetime", [None], "inputs.x[0] is null; the model takes datetime there"),
        ("binary", [None], "inputs.x[0] is null; the model takes binary there"),
    ],
)
def test_a_value_that_does_not_fit_its_column_is_refused_with_its_place(kind: str, data: list[Any], told: str) -> None:
    assert refusal(typed(kind), "inputs", {"x": data}) == told


def test_a_refusal_says_where_null_would_do() -> None:
    told = refusal(typed("double", required=False), "inputs", {"x": ["a"]})
    assert told == "inputs.x[0] is a string; the model takes double or null there"


def test_an_unnamed_column_is_called_by_its_form() -> None:
    assert refusal(UNNAMED, "inputs", [1, "a"]) == "inputs[1] is a string; the model takes double there"


MANY = Signature(columns=tuple(Column(f"c{at}", "double", True) for at in range(7)))
SPLIT = "dataframe_split"


@pytest.mark.parametrize(
    ("signature", "form", "data", "told"),
    [
        (XY, "inputs", {"x": [1]}, "inputs lacks the column 'y'"),
        (XY, "inputs", {}, "inputs lacks the columns 'x', 'y'"),
        (MANY, "inputs", {}, "inputs lacks the columns 'c0', 'c1', 'c2', 'c3', 'c4' and 2 more"),
        (XY, "inputs", {"x": [1], "y": ["a"], "z": [1]}, "the model does not take the column 'z'; see its signature"),
        (
            XY,
            "inputs",
            {"x": [1, 2], "y": ["a"]},
            "the columns in inputs must have equal lengths, and have: 'x' 2, 'y'",
        ),
        (XY, "dataframe_records", [{"x": 1, "y": "a"}, {"x": 1}], "dataframe_records[1] lacks the column 'y', which"),
        (XY, "dataframe_records", [{"x": 1}, {"x": 1}], "dataframe_records lacks the column 'y'"),
        (XY, "dataframe_records", [{"x": 1}, 5], "dataframe_records must be a list of objects, not a list"),
        (XY, "dataframe_records", [], "dataframe_records must be a list of objects, not an empty list"),
        (XY, "dataframe_records", {"x": [1]}, "dataframe_records must be a list of objects, not an object"),
        (typed("double"), "dataframe_records", [1], "dataframe_records must be a list of objects, not a list"),
        (XY, "instances", {"x": [1]}, "instances must be a list of objects, not an object"),
        (XY, "inputs", 5, "inputs must be an object of columns or a list of objects, not a number"),
        (XY, "inputs", [], "inputs must be an object of columns or a list of objects, not an empty list"),
        (XY, "inputs", [[1, "a"]], "inputs must be an object of columns or a list of objects, not a list"),
        (XY, SPLIT, [], "dataframe_split must be an object with data (a list of rows) and columns"),
        (XY, SPLIT, {"columns": ["x", "y"]}, "dataframe_split must be an object with data (a list of rows)"),
        (XY, SPLIT, {"data": {}}, "dataframe_split must be an object with data (a list of rows)"),
        (XY, SPLIT, {"data": [], "dtypes": []}, "dataframe_split has no key 'dtypes'; it has columns, data and index"),
        (XY, SPLIT, {"columns": "xy", "data": []}, "dataframe_split.columns must be a list of different names"),
        (XY, SPLIT, {"columns": ["x", "x"], "data": []}, "dataframe_split.columns must be a list of different names"),
        (XY, SPLIT, {"columns": [1, "1"], "data": []}, "dataframe_split.columns must be a list of different names"),
        (XY, SPLIT, {"columns": [1, True], "data": []}, "dataframe_split.columns must be a list of different names"),
        (XY, SPLIT, {"columns": [["x"]], "data": []}, "dataframe_split.columns must be a list of different names"),
        (XY, SPLIT, {"columns": [{}], "data": [[1]]}, "dataframe_split.columns must be a list of different names"),
        (XY, SPLIT, {"columns": [1.5], "data": []}, "dataframe_split.columns must be a list of different names"),
        (XY, SPLIT, {"data": [[1, "a"], [1]]}, "dataframe_split.data[1] must be a list of 2 values, not 1 values"),
        (XY, SPLIT, {"data": [{"x": 1}]}, "dataframe_split.data[0] must be a list of 2 values, not an object"),
        (XY, SPLIT, {"data": [None]}, "dataframe_split.data[0] must be a list of 2 values, not null"),
        (
            Signature(columns=(Column("x", "double", False),)),
            "dataframe_records",
            [{}, {}],
            "dataframe_records holds none of the model's columns and 2 rows",
        ),
    ],
)
def test_a_frame_of_another_shape_is_refused_in_one_sentence(
    signature: Signature, form: str, data: Any, told: str
) -> None:
    assert refusal(signature, form, data).startswith(told)


@pytest.mark.parametrize(
    ("data", "read"),
    [
        ({"columns": ["x"], "data": [[[1, 2]], [None]]}, {"x": [[1, 2], None]}),
        ({"data": [[[1]]]}, {"x": [[1]]}),
    ],
)
def test_columns_of_nested_types_go_to_mlflow_as_they_came(data: Any, read: Any) -> None:
    assert columns(bound(NESTED, SPLIT, data)) == read


rows = st.lists(
    st.fixed_dictionaries({"x": st.floats(allow_nan=False, allow_infinity=False), "y": st.text("abü\n", max_size=5)}),
    min_size=1,
    max_size=6,
)


@given(rows, st.permutations(["x", "y"]))
def test_the_same_rows_bind_alike_in_every_form(some: list[dict[str, Any]], order: list[str]) -> None:
    by_column = {name: [row[name] for row in some] for name in order}
    split = {"columns": order, "data": [[row[name] for name in order] for row in some]}
    found = [
        columns(bound(XY, form, data))
        for form, data in [("dataframe_records", some), ("instances", some), ("inputs", by_column), (SPLIT, split)]
    ]
    assert found == [{"x": [row["x"] for row in some], "y": [row["y"] for row in some]}] * 4


json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**63), 2**64 - 1), st.floats(allow_nan=False), st.text("xy-1")),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["x", "y", "columns", "data"]), inner),
    max_leaves=12,
)


@given(
    st.sampled_from([XY, OPTIONAL, NESTED, UNNAMED, *(typed(kind) for kind in SCALARS)]),
    st.sampled_from(["inputs", "instances", "dataframe_split", "dataframe_records"]),
    json_values,
)
def test_whatever_comes_is_bound_or_refused(signature: Signature, form: str, data: Any) -> None:
    try:
        value = bound(signature, form, data)
    except InvalidInputs:
        return
    assert value.kind == "frame"
    assert len({part.shape for part in value.parts}) <= 1
