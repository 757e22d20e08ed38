"""KServe's clients, REST and gRPC, against the echo of columns: `with_kserve.py http://host:port host:grpc_port`."""

import asyncio
import logging
import sys

import checks
import grpc
import httpx
import numpy as np
from kserve import InferenceRESTClient, InferInput, InferRequest, RESTConfig
from kserve.inference_client import InferenceGRPCClient
from kserve.protocol.infer_type import RequestedOutput

COLUMNS = {
    "boolean": ("BOOL", [True, False]),
    "integer": ("INT32", [1, -2]),
    "long": ("INT64", [1, 2**60]),
    "float": ("FP32", [0.5, 1.0]),
    "double": ("FP64", [0.1, -0.0]),
    "string": ("BYTES", ["é", "b"]),
    "binary": ("BYTES", ["AAE=", ""]),
    "datetime": ("BYTES", ["2024-05-31T12:00:00", "2024-05-31T12:00:00.123456"]),
    "list": ("BYTES", ["[1.5,2.0]", "[]"]),
}
DTYPES = {"BOOL": "?", "INT32": "i4", "INT64": "i8", "FP32": "f4", "FP64": "f8", "BYTES": object}


def request(binary, **more):
    """A request of every type of column; `binary` is whether the tensors are."""
    inputs = []
    for name, (datatype, items) in COLUMNS.items():
        content_type = {"content_type": "base64"} if name == "binary" else None
        one = InferInput(name, [len(items), 1], datatype, parameters=content_type)
        one.set_data_from_numpy(np.array(items, DTYPES[datatype]).reshape(-1, 1), binary_data=binary)
        inputs.append(one)
    return InferRequest(model_name="columns", infer_inputs=inputs, request_id="7", **more)


def items(output):
    found = output.as_numpy().ravel().tolist()
    return [item.decode() if isinstance(item, bytes) else item for item in found]


def same(response, times=1):
    assert (response.id, response.model_name) == ("7", "columns")
    for output in response.outputs:
        datatype, expected = COLUMNS[output.name]
        assert output.datatype == datatype, output.name
        if output.name == "binary" and items(output)[0] == "\0\1":  # in binary form they are the bytes themselves
            expected = ["\0\1", ""]
        assert items(output) == expected * times, (output.name, items(output))
    return [output.name for output in response.outputs]


async def rest_health(rest, _, url):
    assert await rest.is_server_live(url)
    assert await rest.is_server_ready(url)
    assert await rest.is_model_ready(url, "columns")
    assert not await rest.is_model_ready(url, "nobody")


async def rest_json(rest, _, url):
    response = await rest.infer(url, request(False, parameters={"times": 2}), model_name="columns")
    assert same(response, times=2) == list(COLUMNS)


async def rest_binary(rest, _, url):
    told = {}
    asked = request(True, parameters={"binary_data_output": True})
    assert same(await rest.infer(url, asked, model_name="columns", response_headers=told)) == list(COLUMNS)
    assert int(told["inference-header-content-length"]) > 0
    assert told["x-model-name"] == "columns"


async def rest_requested_outputs(rest, _, url):
    asked = request(False, request_outputs=[RequestedOutput("double"), RequestedOutput("string")])
    assert same(await rest.infer(url, asked, model_name="columns")) == ["double", "string"]


async def rest_refusal(rest, _, url):
    body = {"inputs": [{"name": "double", "shape": [1], "datatype": "FP64", "data": ["a"]}]}
    error = await refusal(rest.infer(url, body, model_name="columns"))
    assert isinstance(error, httpx.HTTPStatusError), error
    assert str(error).startswith("inputs[0].data[0] is a string; FP64 takes numbers, '400 Bad Request'"), error


async def refusal(call):
    (found,) = await asyncio.gather(call, return_exceptions=True)
    return found


async def grpc_health(_, rpc, url):
    assert await rpc.is_server_live()
    assert await rpc.is_server_ready()
    assert await rpc.is_model_ready("columns")


async def grpc_typed(_, rpc, url):
    assert same(await rpc.infer(request(False, parameters={"times": 2})), times=2) == list(COLUMNS)


async def grpc_raw(_, rpc, url):
    assert same(await rpc.infer(request(True))) == list(COLUMNS)


async def grpc_refusal(_, rpc, url):
    error = await refusal(rpc.is_model_ready("nobody"))
    assert isinstance(error, grpc.RpcError), error
    assert error.code() is grpc.StatusCode.NOT_FOUND


CHECKS = [
    rest_health,
    rest_json,
    rest_binary,
    rest_requested_outputs,
    rest_refusal,
    grpc_health,
    grpc_typed,
    grpc_raw,
    grpc_refusal,
]


def main(url, address):
    logging.disable()
    with asyncio.Runner() as runner:

        async def clients():
            return InferenceRESTClient(RESTConfig(protocol="v2")), InferenceGRPCClient(address)

        rest, rpc = runner.run(clients())

        def wrapped(check):
            def run():
                runner.run(check(rest, rpc, url))

            run.__name__ = check.__name__
            return run

        checks.tell(checks.run(list(map(wrapped, CHECKS))))


if __name__ == "__main__":
    main(*sys.argv[1:])
