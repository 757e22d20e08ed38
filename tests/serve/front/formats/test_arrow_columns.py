import datetime
import decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from serve.errors import MalformedRequest
from serve.front.formats import arrow_columns, arrow_stream, parquet_file
from tests.serve.front.formats.tables import file, stream

BIG = 2**53 + 1
NS = pa.timestamp("ns")
ONE_AND_A_HALF = decimal.Decimal("1.50")

TYPES: list[tuple[Any, list[Any], list[Any], str]] = [
    (pa.int8(), [1, -1], [1, -1], "|i1"),
    (pa.uint8(), [255, 0], [255, 0], "|u1"),
    (pa.uint16(), [1, 2], [1, 2], "<u2"),
    (pa.int32(), [1, 2], [1, 2], "<i4"),
    (pa.uint64(), [2**64 - 1, 0], [2**64 - 1, 0], "<u8"),
    (pa.int64(), [BIG, None], [BIG, None], "|O"),
    (pa.uint64(), [2**64 - 1, None], [2**64 - 1, None], "|O"),
    (pa.bool_(), [True, False], [True, False], "|b1"),
    (pa.bool_(), [True, None], [True, None], "|O"),
    (pa.float16(), [np.float16(1.5), np.float16(2)], [1.5, 2], "<f2"),
    (pa.float32(), [1.5, None], [1.5, np.nan], "<f4"),
    (pa.float64(), [np.inf, None], [np.inf, np.nan], "<f8"),
    (pa.string(), ["é", None], ["é", None], "|O"),
    (pa.large_string(), ["", None], ["", None], "|O"),
    (pa.string_view(), ["long enough to stand elsewhere", None], ["long enough to stand elsewhere", None], "|O"),
    (pa.binary(), [b"\xff", None], [b"\xff", None], "|O"),
    (pa.large_binary(), [b"\xff", b""], [b"\xff", b""], "|O"),
    (pa.binary_view(), [b"\xff" * 40, None], [b"\xff" * 40, None], "|O"),
    (pa.binary(2), [b"ab", None], [b"ab", None], "|O"),
    (pa.decimal128(5, 2), [ONE_AND_A_HALF, None], [ONE_AND_A_HALF, None], "|O"),
    (pa.decimal256(50, 2), [ONE_AND_A_HALF, None], [ONE_AND_A_HALF, None], "|O"),
    (pa.date32(), [datetime.date(2020, 1, 2), None], ["2020-01-02", "NaT"], "<M8[D]"),
    (pa.date64(), [datetime.date(2020, 1, 2), None], ["2020-01-02", "NaT"], "<M8[D]"),
    (pa.timestamp("s"), [1, 2], ["1970-01-01T00:00:01", "1970-01-01T00:00:02"], "<M8[s]"),
    (NS, [1, None], ["1970-01-01T00:00:00.000000001", "NaT"], "<M8[ns]"),
    (pa.timestamp("us", "Europe/Berlin"), [0, None], ["1970-01-01T00:00:00.000000", "NaT"], "<M8[us]"),
    (pa.duration("ms"), [1, None], [1, "NaT"], "<m8[ms]"),
    (pa.time32("s"), [3661, None], ["01:01:01", None], "|O"),
    (pa.time64("ns"), [1, None], ["00:00:00.000000001", None], "|O"),
    (pa.null(), [None, None], [None, None], "|O"),
    (pa.dictionary(pa.int8(), pa.string()), ["a", None], ["a", None], "|O"),
    (pa.dictionary(pa.int32(), pa.int64()), [BIG, BIG], [BIG, BIG], "<i8"),
    (pa.dictionary(pa.int32(), pa.float64()), [1.5, None], [1.5, np.nan], "<f8"),
    (pa.dictionary(pa.int32(), pa.string()), [None, None], [None, None], "|O"),
    (pa.list_(pa.int64()), [[BIG, None], None], [[BIG, None], None], "|O"),
    (pa.large_list(pa.string()), [["a"], []], [["a"], []], "|O"),
    (pa.list_(pa.float32(), 2), [[1, 2], None], [[1, 2], None], "|O"),
    (pa.list_(NS), [[1, None], []], [["1970-01-01T00:00:00.000000001", None], []], "|O"),
    (pa.list_(pa.timestamp("s", "UTC")), [[1], []], [["1970-01-01T00:00:01+00:00"], []], "|O"),
    (pa.list_(pa.binary()), [[b"\xff"], []], [["/w=="], []], "|O"),
    (pa.list_(pa.dictionary(pa.int8(), pa.string())), [["a", None], []], [["a", None], []], "|O"),
    (
        pa.struct({"a": pa.int64(), "b": pa.list_(pa.bool_())}),
        [{"a": 1, "b": [True]}, None],
        [{"a": 1, "b": [True]}, None],
        "|O",
    ),
    (pa.struct([]), [{}, None], [{}, None], "|O"),
    (pa.map_(pa.string(), pa.int64()), [[("a", 1), ("b", None)], None], [{"a": 1, "b": None}, None], "|O"),
]
NOT_IN_PARQUET = ("fixed_size_list<item: float>[2]", "struct<>")  # with nulls, or at all


def read(table: pa.Table, *, tensors: bool = False) -> np.ndarray[Any, Any]:
    return arrow_columns.read(table, tensors=tensors)["x"]


def require_same(found: np.ndarray[Any, Any], expected: list[Any], dtype: str) -> None:
    assert found.dtype.str == dtype
    if dtype == "|O":
        assert found.tolist() == expected
        assert [type(one) for one in found] == [type(one) for one in expected]
    else:
        np.testing.assert_array_equal(found, np.array(expected, dtype=dtype))


@pytest.mark.parametrize(("type_", "values", "expected", "dtype"), TYPES, ids=[str(one[0]) for one in TYPES])
def test_a_column_of_any_type_loses_nothing(type_: Any, values: list[Any], expected: list[Any], dtype: str) -> None:
    table = pa.table({"x": pa.array(values, type_)})
    require_same(read(arrow_stream.read(stream(table))), expected, dtype)
    require_same(read(arrow_stream.read(stream(table, compression="zstd", rows=1))), expected, dtype)
    require_same(read(pa.concat_tables([table, table]).slice(1, 2)), expected[1:] + expected[:1], dtype)
    if str(type_) not in NOT_IN_PARQUET:
        found = read(parquet_file.read(file(table)))
        assert found.dtype.kind == np.dtype(dtype).kind
        assert "[s" in str(type_) or repr(found.tolist()) == repr(read(table).tolist())  # Parquet knows no seconds


def test_parquet_keeps_the_types_that_it_has() -> None:
    types: dict[str, tuple[Any, list[Any], str]] = {
        "int64 with null": (pa.int64(), [BIG, None], "|O"),
        "float16": (pa.float16(), [np.float16(1.5)], "<f2"),
        "uint8": (pa.uint8(), [255], "|u1"),
        "timestamp": (NS, [1, None], "<M8[ns]"),
        "with zone": (pa.timestamp("us", "UTC"), [1], "<M8[us]"),
        "category": (pa.dictionary(pa.int8(), pa.string()), ["a", "b"], "|O"),
    }
    for type_, values, dtype in types.values():
        assert read(parquet_file.read(file(pa.table({"x": pa.array(values, type_)})))).dtype.str == dtype


def test_lists_that_lie_anywhere_in_their_values_are_read() -> None:
    views = pa.ListViewArray.from_arrays(
        pa.array([2, 0, 0], pa.int32()), pa.array([1, 2, 0], pa.int32()), pa.array([1, 2, 3])
    )
    require_same(read(arrow_stream.read(stream(pa.table({"x": views})))), [[3], [1, 2], []], "|O")
    require_same(read(pa.table({"x": views}).slice(1)), [[1, 2], []], "|O")


def test_runs_are_read_item_by_item() -> None:
    runs = pc.run_end_encode(pa.array(["a", "a", None, "b"]))
    require_same(read(arrow_stream.read(stream(pa.table({"x": runs})))), ["a", "a", None, "b"], "|O")
    require_same(read(pa.table({"x": runs}).slice(1, 2)), ["a", None], "|O")
    require_same(read(pa.table({"x": pc.run_end_encode(pa.array([1, 1, 2]))})), [1, 1, 2], "<i8")


def test_a_type_that_only_says_how_another_is_meant_is_read_as_that() -> None:
    ids = pa.ExtensionArray.from_storage(pa.uuid(), pa.array([b"\0" * 16, None], pa.binary(16)))
    require_same(read(arrow_stream.read(stream(pa.table({"x": ids})))), [b"\0" * 16, None], "|O")


@pytest.mark.parametrize(
    ("array", "type_"),
    [
        (pa.UnionArray.from_sparse(pa.array([0], pa.int8()), [pa.array([1])]), "union"),
        (pa.array([[1]], pa.list_(pa.duration("s"))), "duration[s]"),
        (pa.array([(1, 2, 3)], pa.month_day_nano_interval()), "month_day_nano_interval"),
        (pa.array([{"a": (1, 2, 3)}], pa.struct({"a": pa.month_day_nano_interval()})), "month_day_nano_interval"),
        (pa.array([[(1, 2)]], pa.map_(pa.int64(), pa.int64())), "map with keys other than string"),
    ],
)
def test_a_type_that_has_no_value_here_is_refused_by_name(array: pa.Array, type_: str) -> None:
    with pytest.raises(MalformedRequest) as caught:
        read(pa.table({"x": array}))
    assert caught.value.message == f"the column 'x' is of or holds the Arrow type {type_}, which is not read here"


def test_a_permuted_tensor_is_refused_rather_than_turned() -> None:
    type_ = pa.fixed_shape_tensor(pa.int32(), [2, 2], permutation=[1, 0])
    array = pa.ExtensionArray.from_storage(type_, pa.array([[1, 2, 3, 4]], pa.list_(pa.int32(), 4)))
    with pytest.raises(MalformedRequest, match="permutation"):
        read(pa.table({"x": array}))


@pytest.mark.parametrize("twice", [["x", "x"], ["x", "y", "x"]])
def test_a_name_that_stands_twice_is_refused(twice: list[str]) -> None:
    with pytest.raises(MalformedRequest, match="names the column 'x' twice"):
        arrow_columns.read(pa.table([pa.array([1])] * len(twice), names=twice), tensors=False)


def test_a_structs_field_that_stands_twice_is_refused() -> None:
    array = pa.StructArray.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"])
    with pytest.raises(MalformedRequest, match="names one of its fields twice"):
        read(pa.table({"x": array}))


@pytest.mark.parametrize(
    ("array", "shape"),
    [
        (pa.array([[1, 2], [3, 4]], pa.list_(pa.float32())), (2, 2)),
        (pa.array([[1, 2], [3, 4]], pa.list_(pa.float32(), 2)), (2, 2)),
        (pa.array([[[1], [2]], [[3], [4]]]), (2, 2, 1)),
        (pa.array([1.5, None]), (2,)),
        (pa.array([[1.5, None], [2, 3]]), (2, 2)),
        (
            pa.ExtensionArray.from_storage(
                pa.fixed_shape_tensor(pa.int8(), [2]), pa.array([[1, 2]], pa.list_(pa.int8(), 2))
            ),
            (1, 2),
        ),
    ],
)
def test_a_tensors_lists_of_equal_lengths_are_axes(array: pa.Array, shape: tuple[int, ...]) -> None:
    found = read(pa.table({"x": array}), tensors=True)
    assert (found.shape, found.dtype.kind != "O") == (shape, True)
    assert read(pa.concat_tables([pa.table({"x": array})] * 2), tensors=True).shape == (2 * shape[0], *shape[1:])
    assert read(pa.table({"x": array}).slice(1), tensors=True).shape[0] == shape[0] - 1


@pytest.mark.parametrize(
    "array",
    [
        pa.array([[1, 2], [3]]),
        pa.array([[1, 2], None]),
        pa.array([["a"], ["b"]]),
        pa.array([[1, None]]),
        pa.array([[[1], [2, 3]]]),
        pa.chunked_array([pa.array([[1]]), pa.array([[1, 2]])]),
    ],
)
def test_other_lists_are_left_as_they_are(array: Any) -> None:
    assert read(pa.table({"x": array}), tensors=True).tolist() == array.to_pylist()


@pytest.mark.parametrize(
    "metadata", [b"", b"null", b"[]", b"{}", b'{"index_columns": 3}', b'{"index_columns": [{"kind": "range"}]}']
)
def test_only_what_pandas_wrote_as_an_index_is_one(metadata: bytes) -> None:
    table = pa.table({"x": [1]}).replace_schema_metadata({b"pandas": metadata})
    assert list(arrow_columns.read(table, tensors=False)) == ["x"]
