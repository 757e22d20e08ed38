import csv
import io
import math
from typing import Any

import numpy as np
import pandas as pd
import pytest

from serve.child.wire import BASE64, JSON, Part, Value
from serve.errors import InvalidInputs, MalformedRequest, NotAcceptable
from serve.front.formats.text_csv import CsvReading, write
from serve.signature.spec import ArrayType, Column, Signature, TensorSpec
from tests.serve.signature.reading import array, columns, items


def signature(**types: Any) -> Signature:
    """Columns by name; a type that begins with '?' is optional."""
    return Signature(
        columns=tuple(
            Column(name, type_.removeprefix("?") if isinstance(type_, str) else type_, str(type_)[0] != "?")
            for name, type_ in types.items()
        )
    )


def bound(body: str, model: Signature) -> Value:
    return CsvReading(body.encode()).bind(model).value


@pytest.mark.parametrize(
    ("type_", "cells", "read", "dtype"),
    [
        ("double", "1\n-1.5e3\n.5\n5.\n+2\n", [1, -1500, 0.5, 5, 2], "<f8"),
        ("double", "inf\n-Infinity\n", [math.inf, -math.inf], "<f8"),
        ("float", "0.5\n1\n", [0.5, 1], "<f4"),
        ("long", "9223372036854775807\n-1\n+1\n", [2**63 - 1, -1, 1], "<i8"),
        ("integer", "2147483647\n", [2**31 - 1], "<i4"),
        ("boolean", "true\nFalse\nTrue\nfalse\n", [True, False, True, False], "|b1"),
        ("string", "1\ntrue\n", ["1", "true"], JSON),
        ("binary", "AP8=\n", ["AP8="], BASE64),
        (ArrayType("double"), '"[1.5, 2.5]"\n', [[1.5, 2.5]], JSON),
    ],
)
def test_the_signature_says_what_a_cell_is(type_: Any, cells: str, read: list[Any], dtype: str) -> None:
    part = bound("x\n" + cells, signature(x=type_)).parts[0]
    assert (items(part), part.dtype) == (read, dtype)


def test_dates_are_read_as_they_are_in_json() -> None:
    part = bound("when\n2024-05-31T12:00:00\n2024-05-31\n", signature(when="datetime")).parts[0]
    assert array(part).tolist() == [1717156800 * 10**9, 1717113600 * 10**9]


@pytest.mark.parametrize("type_", ["?string", "?boolean", "?datetime", "?binary", "double", "float", "string"])
def test_an_empty_cell_is_null(type_: str) -> None:
    part = bound("x,y\n,1\n", signature(x=type_, y="long")).parts[0]
    (item,) = items(part)
    assert item is None or math.isnan(item) or part.dtype == "<M8[ns]"


@pytest.mark.parametrize("type_", ["long", "?long", "integer", "boolean", "datetime"])
def test_null_where_the_model_takes_none_is_refused_in_its_place(type_: str) -> None:
    with pytest.raises(InvalidInputs) as caught:
        bound("y,x\n1,\n", signature(y="long", x=type_))
    assert caught.value.flaws[0].place == "csv[0].x"


@pytest.mark.parametrize(
    ("type_", "cell", "told"),
    [
        ("double", "one", "csv[1].x is no number; the model takes double there"),
        ("double", "1_0", "csv[1].x is no number"),
        ("double", " 1", "csv[1].x is no number"),
        ("double", "0x10", "csv[1].x is no number"),
        ("double", "\u0661", "csv[1].x is no number"),
        ("double", "1e999", "csv[1].x is no number"),
        ("double", "true", "csv[1].x is no number"),
        ("long", "1.0", "csv[1].x is no whole number; the model takes long there"),
        ("long", "1_0", "csv[1].x is no whole number"),
        ("long", "9" * 5000, "csv[1].x is no whole number"),
        ("long", "9223372036854775808", "csv[1].x is a number outside the range of long"),
        ("integer", "2147483648", "csv[1].x is a number outside the range of integer"),
        ("float", "1e39", "csv[1].x is a number outside the range of float"),
        ("boolean", "1", "csv[1].x is no boolean (true or false)"),
        ("boolean", "TRUE", "csv[1].x is no boolean (true or false)"),
        ("datetime", "yesterday", "csv[1].x is no date"),
        ("binary", "?", "csv[1].x is no base64"),
        (ArrayType("double"), "[1", "csv[1].x is a string; the model takes Array(double) there"),
    ],
)
def test_a_cell_that_is_none_of_its_type_is_refused_in_its_place(type_: Any, cell: str, told: str) -> None:
    good = {"double": "1", "float": "1", "long": "1", "integer": "1", "boolean": "true", "datetime": "2020-01-01"}
    first = good.get(type_, "AA==") if isinstance(type_, str) else '"[1.5]"'
    with pytest.raises(InvalidInputs) as caught:
        bound(f"x\n{first}\n{cell}\n", signature(x=type_))
    assert caught.value.message.startswith(told)
    assert caught.value.flaws[0].place == "csv[1].x"


def test_all_that_is_wrong_is_told_up_to_a_bound() -> None:
    model = Signature(columns=(Column("mean radius", "double", True), Column("n", "long", True)))
    with pytest.raises(InvalidInputs) as caught:
        bound("mean radius,n\n1,a\nb,2\n3,4\nc,d\n", model)
    assert [flaw.place for flaw in caught.value.flaws] == [
        "csv[1].mean radius",
        "csv[3].mean radius",
        "csv[0].n",
        "csv[3].n",
    ]
    with pytest.raises(InvalidInputs) as caught:
        bound("mean radius,n\n" + "x,y\n" * 1000, model)
    assert len(caught.value.flaws) == InvalidInputs.MOST_FLAWS


@pytest.mark.parametrize(
    "body",
    [
        'a,b\r\n1,"x, ""y""\r\nz"\r\n',
        'a,b\n1,"x, ""y""\r\nz"\n',
        '\ufeffa,b\n1,"x, ""y""\r\nz"',
        '\n"a","b"\n\n"1","x, ""y""\r\nz"\n\n',
        'b,a\n"x, ""y""\r\nz",1\n',
        'a,b\r1,"x, ""y""\r\nz"\r',
    ],
)
def test_quotes_line_ends_and_a_byte_order_mark_are_as_in_rfc_4180(body: str) -> None:
    assert columns(bound(body, signature(a="long", b="string"))) == {"a": [1], "b": ['x, "y"\r\nz']}


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"", "the body is empty"),
        (b"\n\n", "the body is empty"),
        (b"\xef\xbb\xbf", "the body is empty"),
        (b"\xff\n1\n", "not UTF-8"),
        (b"a,b\n\x00\xff,1\n", "not UTF-8"),
        (b"a,a\n1,2\n", "names a column twice"),
        (b",a\n0,1\n", "no name to its column 0: write pandas' frames with index=False"),
        (b"a,b\n1,2\n3\n", "csv[1] has 1 cells, and the header 2"),
        (b"a,b\n1,2,secret\n", "csv[0] has 3 cells, and the header 2"),
        (b'a,b\n1,"secret\n', "unexpected end of data in line 2"),
        (b'a,b\n1,"sec"ret\n', "in line 2"),
    ],
)
def test_what_is_no_table_is_malformed(body: bytes, told: str) -> None:
    with pytest.raises(MalformedRequest) as caught:
        CsvReading(body).bind(Signature())
    assert told in caught.value.message
    assert "secret" not in caught.value.message


def test_a_wrong_row_is_counted_over_however_many() -> None:
    with pytest.raises(MalformedRequest, match=r"csv\[25000\] has 2 cells"):
        bound("a\n" + "1\n" * 25_000 + "1,2\n", Signature())


def test_columns_are_those_of_the_signature() -> None:
    model = signature(a="long", b="?string")
    assert columns(bound("a\n1\n", model)) == {"a": [1]}
    for body in ("b\nx\n", "a,b,c\n1,x,2\n"):
        with pytest.raises(InvalidInputs):
            bound(body, model)
    with pytest.raises(InvalidInputs, match="no rows"):
        bound("a,b\n", model)


def test_a_model_without_a_signature_gets_what_all_cells_of_a_column_are() -> None:
    value = bound("a,b,c,d,e,f,g\n1,1,true,x,,1,99999999999999999999\n2,1.5,False,1,,,1\n", Signature())
    assert value.kind == "frame"
    parts = {part.name: (items(part), part.dtype) for part in value.parts}
    assert {name: parts[name] for name in "acdefg"} == {
        "a": ([1, 2], "<i8"),
        "c": ([True, False], "|b1"),
        "d": (["x", "1"], JSON),
        "e": ([None, None], JSON),
        "f": ([1, None], JSON),
        "g": ([1e20, 1], "<f8"),
    }
    assert parts["b"] == ([1, 1.5], "<f8")


def test_a_tensor_without_a_name_is_all_the_columns() -> None:
    model = Signature(tensors=(TensorSpec(None, "<f4", (-1, 2)),))
    part = bound("x,y\n1,2.5\n3,\n", model).parts[0]
    assert (part.dtype, part.shape, str(items(part))) == ("<f4", (2, 2), "[[1.0, 2.5], [3.0, nan]]")


def test_tensors_with_names_are_columns() -> None:
    model = Signature(
        tensors=(TensorSpec("a", "|u1", (-1,)), TensorSpec("b", "<i8", (-1, 1)), TensorSpec("s", "<U0", (-1,)))
    )
    value = bound("b,s,a\n1,é,255\n2,x,0\n", model)
    assert {part.name: items(part) for part in value.parts} == {"a": [255, 0], "b": [[1], [2]], "s": ["é", "x"]}


@pytest.mark.parametrize(
    ("dtype", "cell", "told"),
    [
        ("|u1", "256", r"csv\[1\].a is a number outside the range of uint8"),
        ("<f2", "1e6", r"csv\[1\].a is a number outside the range of float16"),
        ("<i8", "1.5", r"csv\[1\].a is no whole number; the model takes int64 there"),
        ("<i8", '""', r"csv\[1\].a is empty; the model takes int64 there"),
        ("|b1", "2", r"csv\[1\].a is no boolean"),
    ],
)
def test_a_tensors_cells_are_of_its_dtype(dtype: str, cell: str, told: str) -> None:
    first = "true" if dtype == "|b1" else "1"
    with pytest.raises(InvalidInputs, match=told) as caught:
        bound(f"a\n{first}\n{cell}\n", Signature(tensors=(TensorSpec("a", dtype, (-1,)),)))
    assert len(caught.value.flaws) == 1


def test_null_in_a_complex_tensor_is_nan() -> None:
    part = bound('a\n1\n""\n', Signature(tensors=(TensorSpec("a", "<c16", (-1,)),))).parts[0]
    assert np.isnan(array(part)).tolist() == [False, True]


def test_columns_without_names_are_taken_in_their_order() -> None:
    model = Signature(columns=(Column(None, "double", True), Column(None, "string", True)))
    assert list(columns(bound("whatever,it is\n1.5,x\n", model)).values()) == [[1.5], ["x"]]
    with pytest.raises(InvalidInputs, match="as many as the model takes"):
        bound("a,b,c\n1,2,3\n", model)


def test_a_frame_goes_out_as_pandas_reads_it_again() -> None:
    floats = np.array([0.1, np.nan, np.inf])
    value = Value(
        "frame",
        (
            Part("f", "<f8", (3,), floats.tobytes()),
            Part("g", "<f4", (3,), floats.astype("<f4").tobytes()),
            Part("b", "|b1", (3,), b"\1\0\1"),
            Part("s", JSON, (3,), '["é, \\"x\\"", null, "a\\nb"]'.encode()),
            Part("o", JSON, (3,), b'[[1, null], {"a": true}, null]'),
            Part("y", BASE64, (3,), b'["AP8=", null, ""]'),
            Part("t", "<M8[us]", (3,), np.array(["2020-01-01", "NaT", "2020-01-01T01"], "<M8[us]").tobytes()),
        ),
    )
    body = write(value, Signature())
    rows = list(csv.reader(io.StringIO(body.decode(), newline="")))
    assert rows == [
        ["f", "g", "b", "s", "o", "y", "t"],
        ["0.1", "0.1", "true", 'é, "x"', "[1,null]", "AP8=", "2020-01-01T00:00:00.000000"],
        ["nan", "nan", "false", "", '{"a":true}', "", ""],
        ["inf", "inf", "true", "a\nb", "", "", "2020-01-01T01:00:00.000000"],
    ]
    assert body.count(b"\r\n") == 4
    read = pd.read_csv(io.BytesIO(body))
    np.testing.assert_array_equal(read["f"], floats)


@pytest.mark.parametrize(
    ("shape", "outputs", "rows"),
    [
        ((), (), [["0"], ["1"]]),
        ((2,), (), [["0"], ["1"], ["2"]]),
        ((2, 2), (), [["0", "1"], ["1", "2"], ["3", "4"]]),
        ((2, 2), ("yes", "no"), [["yes", "no"], ["1", "2"], ["3", "4"]]),
        ((2, 2), ("one",), [["0", "1"], ["1", "2"], ["3", "4"]]),
        ((2,), ("price",), [["price"], ["1"], ["2"]]),
        ((2,), (None,), [["0"], ["1"], ["2"]]),
        ((1, 2, 2), (), [["0"], ["[[1,2],[3,4]]"]]),
    ],
)
def test_an_array_is_named_as_the_outputs_are_where_they_fit(
    shape: tuple[int, ...], outputs: tuple[str | None, ...], rows: list[list[str]]
) -> None:
    model = Signature(outputs=tuple(Column(name, "long", True) for name in outputs))
    numbers = np.arange(1, math.prod(shape) + 1, dtype="<i8")
    body = write(Value("array", (Part(None, "<i8", shape, numbers.tobytes()),)), model)
    assert list(csv.reader(io.StringIO(body.decode()))) == rows


@pytest.mark.parametrize(
    ("document", "rows"),
    [
        (b'[{"a": 1, "b": "x"}, {"b": null, "c": 2.5}]', [["a", "b", "c"], ["1", "x", ""], ["", "", "2.5"]]),
        (b'["x", "y"]', [["0"], ["x"], ["y"]]),
        (b'{"a": [1, 2], "b": ["x", "y"]}', [["a", "b"], ["1", "x"], ["2", "y"]]),
        (b'{"a": 1, "b": [1]}', [["a", "b"], ["1", "[1]"]]),
        (b'{"a": [1], "b": [1, 2]}', [["a", "b"], ["[1]", "[1,2]"]]),
        (b'"text"', [["0"], ["text"]]),
        (b"[]", [["0"]]),
        (b"{}", [["0"], ["{}"]]),
        (b"3", [["0"], ["3"]]),
    ],
)
def test_any_json_is_a_table(document: bytes, rows: list[list[str]]) -> None:
    body = write(Value("json", (Part(None, JSON, (), document),)), Signature())
    assert list(csv.reader(io.StringIO(body.decode()))) == rows


def test_arrays_of_different_lengths_are_no_table() -> None:
    value = Value("arrays", (Part("a", "|u1", (1,), b"\1"), Part("b", "|u1", (2,), b"\1\2")))
    with pytest.raises(NotAcceptable, match="no table"):
        write(value, Signature())
