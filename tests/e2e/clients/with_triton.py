"""Triton's clients, HTTP and gRPC, against the echoes: `with_triton.py host:port host:grpc_port`."""

import sys

import checks
import numpy as np
import tritonclient.grpc
import tritonclient.http
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

TENSORS = {
    "BOOL": np.array([[True, False], [False, True]]),
    "UINT8": np.array([[1, 255], [0, 7]], "u1"),
    "INT64": np.array([[1, -(2**63)], [2**63 - 1, 0]], "i8"),
    "UINT64": np.array([[2**64 - 1, 0], [1, 2]], "u8"),
    "FP16": np.array([[1.5, np.inf], [np.nan, -2]], "f2"),
    "FP32": np.array([[1.5, np.nan], [3, 4]], "f4"),
    "FP64": np.array([[1e300, 2], [3, -np.inf]], "f8"),
    "words": np.array(["a", "ä\0b"], object),
}
COLUMNS = {
    "boolean": np.array([True, False]),
    "integer": np.array([1, -2], "i4"),
    "long": np.array([1, 2**60]),
    "float": np.array([0.5, np.nan], "f4"),
    "double": np.array([0.1, -0.0]),
    "string": np.array(["é", "b"], object),
    "binary": np.array([b"\0\1", b""], object),
    "datetime": np.array([b"2024-05-31T12:00:00", b"2024-05-31T12:00:00.123456"], object),
    "list": np.array([b"[1.5,2.0]", b"[]"], object),
}


def inputs(client, arrays, **how):
    found = []
    for name, array in arrays.items():
        one = client.kind.InferInput(name, list(array.shape), np_to_triton_dtype(array.dtype))
        found.append(one.set_data_from_numpy(array, **how))
    return found


def same(result, arrays):
    for name, array in arrays.items():
        found = result.as_numpy(name)
        if array.dtype == object:
            expected = [item if isinstance(item, bytes) else item.encode() for item in array]
            assert found.ravel().tolist() == expected, (name, found)
        else:
            assert found.dtype == array.dtype, (name, found.dtype)
            np.testing.assert_array_equal(found.reshape(array.shape), array, name)


def refusal(call):
    try:
        call()
    except InferenceServerException as error:
        return error.status(), error.message()
    raise AssertionError("it was not refused")


def health_and_metadata(client):
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("tensors")
    version = versions(client)
    assert client.is_model_ready("tensors", version)
    metadata = client.get_model_metadata("tensors", version, **client.as_json)
    assert [one["datatype"] for one in metadata["inputs"]] == [*list(TENSORS)[:-1], "BYTES"]
    assert "binary_tensor_data" in client.get_server_metadata(**client.as_json)["extensions"]


def versions(client):
    (version,) = client.get_model_metadata("tensors", **client.as_json)["versions"]
    return version


def every_datatype_survives_in_binary(client):
    result = client.infer("tensors", inputs(client, TENSORS), request_id="7")
    same(result, TENSORS)
    response = result.get_response(**client.as_json)
    assert (response["id"], response["model_name"], response["model_version"]) == ("7", "tensors", versions(client))


def columns_of_every_type_survive_in_binary(client):
    same(client.infer("columns", inputs(client, COLUMNS)), COLUMNS)


def parameters_are_the_models_params(client):
    result = client.infer("columns", inputs(client, COLUMNS), parameters={"times": 2}, priority=1, timeout=10_000_000)
    assert result.as_numpy("double").tolist() == [[0.1], [-0.0], [0.1], [-0.0]]


def large_requests_and_answers_come_whole(client):
    many = {name: np.repeat(array, 2500) for name, array in COLUMNS.items()}
    result = client.infer("columns", inputs(client, many), parameters={"times": 2})
    same(result, {name: np.concatenate([array, array]) for name, array in many.items()})


def only_the_outputs_asked_for_come(client):
    asked = [client.kind.InferRequestedOutput(name) for name in ("words", "FP32")]
    result = client.infer("tensors", inputs(client, TENSORS), model_version=versions(client)[:7], outputs=asked)
    assert [one["name"] for one in result.get_response(**client.as_json)["outputs"]] == ["words", "FP32"]
    same(result, {name: TENSORS[name] for name in ("words", "FP32")})


def refusals_are_sentences_with_a_status(client):
    told = [
        refusal(lambda: client.infer("tensors", inputs(client, TENSORS)[:-1])),
        refusal(lambda: client.infer("nobody", inputs(client, TENSORS))),
        refusal(lambda: client.infer("tensors", inputs(client, TENSORS), model_version="1234567")),
    ]
    assert [status for status, _ in told] == client.statuses, told
    assert [text.split(";")[0] for _, text in told] == [
        "inputs lacks 'words'",
        "no model named 'nobody' is live",
        "model 'tensors' is not live in version '1234567'",
    ], told


def numbers_and_texts_survive_in_json(client):
    plain = {name: array for name, array in TENSORS.items() if name not in ("FP16", "FP32", "FP64")}
    floats = {name: np.array([[0.5, 1], [2, 3]], TENSORS[name].dtype) for name in ("FP32", "FP64")}
    exact = inputs(client, {"FP16": TENSORS["FP16"]})
    asked = [client.kind.InferRequestedOutput(name, binary_data=False) for name in (*plain, *floats)]
    result = client.infer("tensors", [*exact, *inputs(client, {**plain, **floats}, binary_data=False)], outputs=asked)
    words = plain.pop("words").tolist()
    assert result.as_numpy("words").tolist() == words
    same(result, {**plain, **floats})


def packed_bodies_are_unpacked(client):
    for algorithm in ("gzip", "deflate"):
        packed = {"request_compression_algorithm": algorithm, "response_compression_algorithm": algorithm}
        same(client.infer("tensors", inputs(client, TENSORS), **packed), TENSORS)


def the_repository_lists_what_is_live(client):
    assert [one["name"] for one in client.get_model_repository_index()] == ["columns", "tensors"]


BOTH = [
    health_and_metadata,
    every_datatype_survives_in_binary,
    columns_of_every_type_survive_in_binary,
    parameters_are_the_models_params,
    large_requests_and_answers_come_whole,
    only_the_outputs_asked_for_come,
    refusals_are_sentences_with_a_status,
]
HTTP = [numbers_and_texts_survive_in_json, packed_bodies_are_unpacked, the_repository_lists_what_is_live]


def main(http, grpc):
    one = tritonclient.http.InferenceServerClient(http)
    one.kind, one.as_json, one.statuses = tritonclient.http, {}, ["400", "404", "404"]
    other = tritonclient.grpc.InferenceServerClient(grpc)
    other.kind, other.as_json = tritonclient.grpc, {"as_json": True}
    other.statuses = ["StatusCode.INVALID_ARGUMENT", "StatusCode.NOT_FOUND", "StatusCode.NOT_FOUND"]
    checks.tell({**checks.run([*BOTH, *HTTP], one, kind="http: "), **checks.run(BOTH, other, kind="grpc: ")})


if __name__ == "__main__":
    main(*sys.argv[1:])
