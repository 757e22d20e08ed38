from collections.abc import Callable
from typing import Any

import orjson
import pytest

from serve.child import wire
from serve.errors import InvalidInputs
from serve.signature.binding import Bound, bind, bind_as_mlflow
from serve.signature.params import bind as bind_params
from serve.signature.payload import Payload, parse
from serve.signature.spec import Column, Param, Signature, TensorSpec
from tests.serve.signature.reading import items

THRESHOLD = Param("threshold", "double", 0.5, None)
FRAME = Signature(columns=(Column("x", "double", True),), params=(THRESHOLD,))
TENSOR = Signature(tensors=(TensorSpec(None, "<f4", (-1,)),))
PAIR = Signature(tensors=(TensorSpec("a", "<f4", (-1,)), TensorSpec("b", "<f4", (-1,))))
SCALAR = Signature(tensors=(TensorSpec(None, "<f4", ()),))


def test_a_request_is_bound_to_a_value_and_every_param() -> None:
    found = bind(Payload("inputs", {"x": [1, 2]}, {"threshold": 1}), FRAME)
    assert (found.value.kind, found.rows, found.params) == ("frame", 2, {"threshold": 1.0})


def test_a_tensor_signature_takes_arrays_and_one_of_columns_takes_frames() -> None:
    assert bind(Payload("inputs", [1]), TENSOR).value.kind == "array"
    assert bind(Payload("inputs", [1]), FRAME).value.kind == "frame"
    assert bind(Payload("dataframe_split", {"columns": ["a"], "data": [[1]]}), Signature()).value.kind == "request"
    assert bind(Payload("inputs", [1]), Signature()).value.kind == "array"


@pytest.mark.parametrize(
    ("signature", "form", "data"),
    [
        (TENSOR, "inputs", []),
        (FRAME, "inputs", {"x": []}),
        (FRAME, "dataframe_split", {"columns": ["x"], "data": []}),
    ],
)
def test_a_request_without_rows_is_refused(signature: Signature, form: str, data: Any) -> None:
    with pytest.raises(InvalidInputs, match=f"^{form} holds no rows$"):
        bind(Payload(form, data), signature)


def group(signature: Signature, data: Any, **params: Any) -> Any:
    return bind(Payload("inputs", data, params), signature).group


def test_requests_that_differ_only_in_rows_may_share_a_batch() -> None:
    assert group(TENSOR, [1]) == group(TENSOR, [1, 2])
    assert group(FRAME, {"x": [1]}) == group(FRAME, {"x": [2, 3]}, threshold=0.5)
    assert group(PAIR, {"a": [1], "b": [1]}) == group(PAIR, {"a": [1, 2], "b": [1, 2]})


def test_requests_of_other_params_never_share_a_batch() -> None:
    assert group(FRAME, {"x": [1]}, threshold=0.25) != group(FRAME, {"x": [1]})


def test_requests_of_other_columns_dtypes_or_inner_shapes_never_share_a_batch() -> None:
    some = [
        bind(Payload("dataframe_split", {"columns": ["a"], "data": [[1]]}), Signature()),
        bind(Payload("dataframe_split", {"columns": ["b"], "data": [[1]]}), Signature()),
        bind(Payload("inputs", [1]), Signature()),
        bind(Payload("inputs", [1.5]), Signature()),
        bind(Payload("inputs", [[1]]), Signature()),
        bind(Payload("inputs", [[1, 2]]), Signature()),
    ]
    assert len({one.group for one in some}) == len(some)


@pytest.mark.parametrize(
    ("signature", "data"),
    [
        pytest.param(Signature(), ["a", "b"], id="any JSON"),
        pytest.param(Signature(), {"a": 1}, id="an object"),
        pytest.param(SCALAR, 5, id="a tensor without rows"),
        pytest.param(PAIR, {"a": [1, 2], "b": [1]}, id="tensors of other numbers of rows"),
    ],
)
def test_what_can_not_be_joined_by_rows_shares_its_batch_with_nobody(signature: Signature, data: Any) -> None:
    one, other = (bind(Payload("inputs", data), signature) for _ in range(2))
    assert one.group == one.group
    assert one.group != other.group


def test_a_value_of_no_parts_shares_its_batch_with_nobody() -> None:
    one, other = Bound(wire.Value("frame", ()), {}), Bound(wire.Value("frame", ()), {})
    assert one.group != other.group


IDS = Param("ids", "long", [1], (-1,))


@pytest.mark.parametrize("read", [bind, bind_as_mlflow])
@pytest.mark.parametrize("written", ["-9223372036854775809", "18446744073709551616", "1" * 300])
def test_an_integer_beyond_64_bits_is_the_param_that_was_written(read: Callable[..., Bound], written: str) -> None:
    body = f'{{"inputs": {{"x": [1.0]}}, "params": {{"ids": [1, {written}]}}}}'.encode()
    found = read(parse(orjson.loads(body), body), Signature(columns=FRAME.columns, params=(IDS,)))
    assert found.params == {"ids": [1, int(written)]}


def test_a_number_with_a_point_is_no_integer_however_large_it_is() -> None:
    body = b'{"inputs": {"x": [1.0]}, "params": {"ids": [1, 1e19]}}'
    with pytest.raises(InvalidInputs, match=r"^params\.ids\[1\] must be of type long, not a number$"):
        bind(parse(orjson.loads(body), body), Signature(columns=FRAME.columns, params=(IDS,)))


def test_params_not_given_have_their_defaults() -> None:
    assert bind_params({}, [THRESHOLD, IDS]) == {"threshold": 0.5, "ids": [1]}
    assert bind_params({"ids": []}, [THRESHOLD, IDS]) == {"threshold": 0.5, "ids": []}


@pytest.mark.parametrize(
    ("kind", "given", "read"),
    [
        ("integer", 1, 1),
        ("long", -1, -1),
        ("float", 1, 1.0),
        ("double", 0.25, 0.25),
        ("string", "", ""),
        ("boolean", False, False),
        ("datetime", "2024-05-31", "2024-05-31"),
        ("double", None, None),
    ],
)
def test_a_param_takes_values_of_its_type(kind: str, given: Any, read: Any) -> None:
    found = bind_params({"p": given}, [Param("p", kind, None, None)])["p"]
    assert found == read
    assert type(found) is type(read)


@pytest.mark.parametrize(
    ("kind", "given", "told"),
    [
        ("integer", 1.5, "params.p must be of type integer, not a number"),
        ("long", True, "params.p must be of type long, not a boolean"),
        ("double", "0.5", "params.p must be of type double, not a string"),
        ("double", True, "params.p must be of type double, not a boolean"),
        ("double", 10**400, "params.p is a number outside the range of double"),
        ("binary", "AA==", "params.p must be of type binary, not a string"),
        ("datetime", "noon", "params.p must be of type datetime, not a string"),
        ("string", 1, "params.p must be of type string, not a number"),
        ("boolean", 1, "params.p must be of type boolean, not a number"),
        ("boolean", [True], "params.p must be of type boolean, not a list"),
        ("datetime", {}, "params.p must be of type datetime, not an object"),
    ],
)
def test_a_param_of_another_type_is_refused(kind: str, given: Any, told: str) -> None:
    with pytest.raises(InvalidInputs) as caught:
        bind_params({"p": given}, [Param("p", kind, None, None)])
    assert caught.value.message == told


@pytest.mark.parametrize(
    ("given", "told"),
    [(1, "params.ids must be a list, not a number"), ([1, "a"], "params.ids[1] must be of type long, not a string")],
)
def test_a_param_that_is_a_list_is_checked_item_by_item(given: Any, told: str) -> None:
    with pytest.raises(InvalidInputs) as caught:
        bind_params({"ids": given}, [IDS])
    assert caught.value.message == told


def test_an_unknown_param_is_refused_and_the_known_ones_are_named() -> None:
    with pytest.raises(InvalidInputs, match=r"^the model has no param 'p'; it takes threshold, ids$"):
        bind_params({"p": 1}, [THRESHOLD, IDS])
    with pytest.raises(InvalidInputs, match=r"^the model has no param 'p'; it takes none$"):
        bind_params({"p": 1}, [])


@pytest.mark.parametrize(
    ("signature", "data"),
    [
        (Signature(tensors=(TensorSpec(None, "<f8", (-1, 3)),)), [[1, 2, 3], [4, 5, 6]]),
        (Signature(tensors=(TensorSpec(None, "<M8[ns]", (-1,)),)), ["2024-05-31"]),
        (
            Signature(columns=(Column("x", "datetime", True), Column("y", "long", True))),
            {"x": ["2024-05-31"], "y": [1]},
        ),
        (Signature(), [[1.5, 2.5], [3.5, 4.5]]),
    ],
)
def test_a_bound_request_crosses_the_wire_in_buffers_counted_in_bytes(signature: Signature, data: Any) -> None:
    value = bind(Payload("inputs", data), signature).value
    frame, *buffers = wire.encode(wire.Predict((value,)))
    assert all(len(buffer) == memoryview(buffer).nbytes for buffer in buffers)  # what asyncio counts by
    header = bytes(frame)[wire.PREFIX.size :]
    crossed = wire.decode(header, b"".join(bytes(buffer) for buffer in buffers))
    assert isinstance(crossed, wire.Predict)
    assert list(map(items, crossed.values[0].parts)) == list(map(items, value.parts))
