import io
import struct
import warnings
from typing import Any

import numpy as np
import pytest

from serve.child.wire import BASE64, JSON, Part, Value
from serve.errors import InvalidInputs, MalformedRequest, NotAcceptable
from serve.front.formats.npy import NpyReading, read, write
from serve.signature.spec import Column, Signature, TensorSpec
from tests.serve.signature.reading import array, columns

IMAGE = Signature(tensors=(TensorSpec(None, "<f8", (-1, 3)),))
COLUMNS = Signature(columns=(Column("x", "double", True), Column("n", "long", True), Column("s", "string", False)))


def saved(data: Any, version: tuple[int, int] | None = None) -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array(stream, np.asarray(data), version=version, allow_pickle=False)
    return stream.getvalue()


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["<f8", ">f8"])
def test_an_array_is_the_models_tensor_however_it_lies_in_memory(
    version: tuple[int, int], order: Any, dtype: str
) -> None:
    given = np.arange(6, dtype=dtype).reshape(2, 3).copy(order)
    value = NpyReading(saved(given, version)).bind(IMAGE).value
    assert (value.kind, value.parts[0].dtype, array(value.parts[0]).tolist()) == ("array", "<f8", given.tolist())


@pytest.mark.parametrize(
    "dtype", ["?", "i1", "<u2", ">i4", "<u8", "<f2", ">f4", "<c16", "<M8[ns]", ">M8[D]", "<U3", "S3"]
)
def test_any_dtype_of_values_is_read(dtype: str) -> None:
    given = np.array([[0, 1], [1, 0]]).astype(dtype)
    np.testing.assert_array_equal(read(saved(given)), given)
    assert read(saved(given)).dtype.isnative


@pytest.mark.parametrize("shape", [(), (0,), (2, 0), (1, 1, 1, 2)])
def test_any_rank_is_read(shape: tuple[int, ...]) -> None:
    assert read(saved(np.zeros(shape))).shape == shape


def test_the_fields_of_records_are_columns() -> None:
    given = np.array([(1.5, 2, "é"), (np.nan, 3, "")], dtype=[("x", ">f8"), ("n", "<i4"), ("s", "<U3")])
    value = NpyReading(saved(given)).bind(COLUMNS).value
    assert columns(value)["n"] == [2, 3]
    assert columns(value)["s"] == ["é", ""]
    assert NpyReading(saved(given)).bind(Signature()).value.kind == "frame"


def test_a_record_may_hold_an_array_for_each_row() -> None:
    given = np.zeros(2, dtype=[("a", "<f8", (3,)), ("b", "<i8")])
    signature = Signature(tensors=(TensorSpec("a", "<f8", (-1, 3)), TensorSpec("b", "<i8", (-1,))))
    assert [part.shape for part in NpyReading(saved(given)).bind(signature).value.parts] == [(2, 3), (2,)]


def test_fields_that_make_no_one_array_are_refused() -> None:
    records = np.array([(1.0, 2, 3)], [("x", "<f8"), ("y", "<m8[s]"), ("z", "<f8")])
    with pytest.raises(
        InvalidInputs, match=r"npy holds columns of float64, timedelta64\[s\], which make no one tensor"
    ):
        NpyReading(saved(records)).bind(IMAGE)


def test_an_array_that_does_not_fit_is_refused() -> None:
    with pytest.raises(InvalidInputs, match=r"npy has shape \[3\]; the model takes \[-1, 3\]"):
        NpyReading(saved(np.zeros(3))).bind(IMAGE)


def header(text: str, data: bytes = b"", major: int = 1) -> bytes:
    encoded = text.encode()
    return b"\x93NUMPY" + bytes([major, 0]) + struct.pack("<H" if major == 1 else "<I", len(encoded)) + encoded + data


def described(descr: str, shape: str = "(1,)", data: bytes = b"\0" * 8) -> bytes:
    return header(f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}", data)


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"", "no .npy file"),
        (b"PK\x03\x04", "no .npy file"),
        (b"\x93NUMPY", "can't be read"),
        (b"\x93NUMPY\x04\0", "can't be read"),
        (b"\x93NUMPY\x01\x01\x01\0{", "can't be read"),
        (header("{}"), "can't be read"),
        (header("[]"), "can't be read"),
        (header("__import__('os').system('true')"), "can't be read"),
        (header("(" * 5000), "can't be read"),
        (header("-" * 9000 + "1"), "can't be read"),
        (header("1" * 20_000), "can't be read"),
        (described("'<f8'", "(-1,)"), "can't be read"),
        (described("'<f8'", "(1.5,)"), "can't be read"),
        (described("'<f8'", "(True,)"), "can't be read"),
        (described("'f999'"), "can't be read"),
        (described("3"), "can't be read"),
        (described("'|O'"), "Python objects, which are never unpickled"),
        (described("[('a', '|O')]"), "Python objects, which are never unpickled in its field 0"),
        (described("[('a', [('b', '<f8')])]"), "raw or nested records in its field 0"),
        (described("'|V8'"), "raw or nested records"),
        (described("'<U0'"), "items of 0 bytes"),
        (described("'<U0'", "(1099511627776,)", b""), "items of 0 bytes"),
        (described("'<f8'", "(1099511627776, 0)", b""), "announces 0 items"),
        (described("'<f8'", "(1099511627776,)"), "announces 1099511627776 items of 8 bytes, and 8 bytes follow"),
        (described("'<f8'", "(2,)"), "announces 2 items of 8 bytes, and 8 bytes follow"),
        (described("'<f8'", "()", b"\0" * 16), "announces 1 items of 8 bytes, and 16 bytes follow"),
        (described("'<U2'", "(1,)", b"\xff" * 8), "a string that is no Unicode"),
        (described("'<U1'", "(1,)", b"\x00\xd8\0\0"), "a string that is no Unicode"),
        (described("'|b1'", "(1,)", b"\x02"), "neither 0 nor 1"),
    ],
)
def test_what_numpy_would_not_have_written_is_refused_in_a_sentence(body: bytes, told: str) -> None:
    with pytest.raises(MalformedRequest) as caught:
        NpyReading(body).bind(Signature())
    assert told in caught.value.message
    assert len(caught.value.message) < 200


def test_an_odd_header_writes_nothing_among_the_lines_of_the_log() -> None:
    header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (2if 1 else 3,)}\n"
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        with pytest.raises(MalformedRequest):
            read(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header)
    assert found == []


def test_an_object_array_of_numpys_own_writing_is_refused() -> None:
    stream = io.BytesIO()
    np.save(stream, np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(MalformedRequest, match="never unpickled"):
        NpyReading(stream.getvalue()).bind(Signature())


@pytest.mark.parametrize(
    "given",
    [
        np.array([[1.5, np.nan], [np.inf, -0.0]]),
        np.array(2, dtype="<i4"),
        np.array([True, False]),
        np.array(["2020-01-01", "NaT"], dtype="<M8[ns]"),
        np.zeros((2, 3, 4), dtype="<f2"),
    ],
)
def test_an_array_goes_out_exactly(given: np.ndarray[Any, Any]) -> None:
    part = Part(None, given.dtype.str, given.shape, given.tobytes())
    for kind in ("array", "arrays"):
        got = np.load(io.BytesIO(write(Value(kind, (part,)), Signature())), allow_pickle=False)
        np.testing.assert_array_equal(got, given)
        assert got.dtype == given.dtype


def test_a_list_of_numbers_is_an_array_too() -> None:
    value = Value("json", (Part(None, JSON, (), b"[[1, 2], [3, 4]]"),))
    assert np.load(io.BytesIO(write(value, Signature()))).tolist() == [[1, 2], [3, 4]]


def test_a_table_of_numbers_is_an_array_of_records() -> None:
    parts = (Part("a", "<f4", (2,), np.array([0.5, 1], "f4").data), Part("b", "<i8", (2, 1), np.array([[1], [2]]).data))
    found = np.load(io.BytesIO(write(Value("arrays", parts), Signature())))
    assert (found["a"].dtype.str, found["a"].tolist(), found["b"].tolist()) == ("<f4", [0.5, 1], [[1], [2]])


@pytest.mark.parametrize(
    "value",
    [
        Value("frame", (Part("a", "<f8", (1,), b"\0" * 8), Part("b", JSON, (1,), b'["a"]'))),
        Value("arrays", (Part("a", "<f8", (1,), b"\0" * 8), Part("b", "<f8", (2,), b"\0" * 16))),
        Value("arrays", (Part("a", "<f8", (), b"\0" * 8),)),
        Value("json", (Part(None, JSON, (), b'["a"]'),)),
        Value("json", (Part(None, JSON, (), b'[1, "a"]'),)),
        Value("json", (Part(None, JSON, (), b"[[1], [2, 3]]"),)),
        Value("json", (Part(None, JSON, (), b'{"a": 1}'),)),
        Value("json", (Part(None, JSON, (), b"null"),)),
        Value("array", (Part(None, JSON, (1,), b"[null]"),)),
        Value("array", (Part(None, BASE64, (1,), b'["AA=="]'),)),
    ],
)
def test_an_answer_that_holds_more_than_numbers_in_one_length_is_not_acceptable(value: Value) -> None:
    with pytest.raises(NotAcceptable, match="another format"):
        write(value, Signature())
