"""The Open Inference Protocol over REST and gRPC against a real server; versions, binary tensors, refusals."""

import json
import struct
from collections.abc import Iterator
from typing import Any

import grpc
import httpx
import numpy as np
import pytest

from serve.front.grpc import open_inference_pb2 as messages
from tests.e2e.conftest import Repository
from tests.e2e.server import Server

X = {"name": "x", "datatype": "FP64", "shape": [2], "data": [1.0, 2.5]}


@pytest.fixture(scope="module")
def server(promoted: Repository) -> Iterator[Server]:
    promoted.checkout(1)
    with Server(promoted.folder, promoted.state, http__grpc_port=0) as one:
        yield one.ready()


def infer(server: Server, body: Any, path: str = "/v2/models/oracle/infer") -> httpx.Response:
    return httpx.post(server.url + path, json=body)


def outputs(answer: httpx.Response) -> dict[str, Any]:
    return {one["name"]: one["data"] for one in answer.json()["outputs"]}


@pytest.mark.parametrize("shape", [[2], [2, 1]])
def test_a_column_is_a_tensor_of_one_or_two_dimensions(server: Server, shape: list[int]) -> None:
    answer = infer(server, {"id": "7", "inputs": [{**X, "shape": shape}]})
    assert answer.status_code == 200, answer.text
    assert (answer.json()["id"], outputs(answer)["y"]) == ("7", [3.0, 7.5])


def test_the_live_version_answers_to_its_digest_and_its_revision(server: Server, promoted: Repository) -> None:
    revision = promoted.revisions[1]
    assert infer(server, {"inputs": [X]}, f"/v2/models/oracle/versions/{revision[:12]}/infer").status_code == 200
    other = infer(server, {"inputs": [X]}, f"/v2/models/oracle/versions/{promoted.revisions[0][:12]}/infer")
    assert (other.status_code, list(other.json())) == (404, ["error"])


def test_binary_tensors_go_in_and_out(server: Server) -> None:
    raw = np.array([1.0, 2.5], "<f8").tobytes()
    described = {"name": "x", "datatype": "FP64", "shape": [2], "parameters": {"binary_data_size": len(raw)}}
    header = json.dumps(
        {"inputs": [described], "outputs": [{"name": "y", "parameters": {"binary_data": True}}]}
    ).encode()
    answer = httpx.post(
        server.url + "/v2/models/oracle/infer",
        content=header + raw,
        headers={"inference-header-content-length": str(len(header)), "content-type": "application/octet-stream"},
    )
    assert answer.status_code == 200, answer.text
    length = int(answer.headers["inference-header-content-length"])
    assert [one["name"] for one in json.loads(answer.content[:length])["outputs"]] == ["y"]
    assert struct.unpack("<2d", answer.content[length:]) == (3.0, 7.5)


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("/v2", "binary_tensor_data"),
        ("/v2/health/live", "live"),
        ("/v2/health/ready", "ready"),
        ("/v2/models/oracle/ready", "ready"),
        ("/v2/models/oracle", "FP64"),
    ],
)
def test_metadata_and_health_are_told(server: Server, path: str, told: str) -> None:
    answer = server.get(path)
    assert answer.status_code == 200
    assert told in answer.text


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"inputs": []}, 400),
        ({"inputs": [{**X, "shape": [3]}]}, 400),
        ({"inputs": [{**X, "shape": [-1]}]}, 400),
        ({"inputs": [{**X, "datatype": "FP16"}]}, 400),
        ({"inputs": [{**X, "datatype": "NONE"}]}, 400),
        ({"inputs": [{**X, "name": "z"}]}, 400),
        ({"inputs": [X], "outputs": [{"name": "nope"}]}, 400),
        ([1], 400),
    ],
)
def test_what_does_not_fit_is_refused_in_the_protocols_shape(server: Server, body: Any, status: int) -> None:
    answer = infer(server, body)
    assert (answer.status_code, list(answer.json())) == (status, ["error"])


def test_grpc_answers_as_rest_does(server: Server) -> None:
    with grpc.insecure_channel(str(server.wait("listening for gRPC")["address"])) as channel:
        ready = channel.unary_unary(
            "/inference.GRPCInferenceService/ServerReady",
            request_serializer=messages.ServerReadyRequest.SerializeToString,
            response_deserializer=messages.ServerReadyResponse.FromString,
        )
        ask = channel.unary_unary(
            "/inference.GRPCInferenceService/ModelInfer",
            request_serializer=messages.ModelInferRequest.SerializeToString,
            response_deserializer=messages.ModelInferResponse.FromString,
        )
        assert ready(messages.ServerReadyRequest(), timeout=10).ready
        request = messages.ModelInferRequest(model_name="oracle")
        request.inputs.add(name="x", datatype="FP64", shape=[2]).contents.fp64_contents.extend([1.0, 2.5])
        answer = ask(request, timeout=10)
        found = {one.name: at for at, one in enumerate(answer.outputs)}["y"]
        data = answer.outputs[found].contents.fp64_contents or struct.unpack("<2d", answer.raw_output_contents[found])
        assert list(data) == [3.0, 7.5]
        request.model_name = "nobody"
        with pytest.raises(grpc.RpcError) as refused:
            ask(request, timeout=10)
        assert refused.value.code() is grpc.StatusCode.NOT_FOUND
