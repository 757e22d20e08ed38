"""Other people's clients of the Open Inference Protocol, unchanged, against two echoes in one release."""

import asyncio
import contextlib
import json
import subprocess
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path

import grpc
import grpc.aio
import numpy as np
import pytest

from serve.front.grpc import open_inference_pb2 as pb
from tests.e2e.echoing import NUMBERS
from tests.e2e.metrics import value
from tests.e2e.server import Server
from tests.promoting import Repository

CLIENTS = Path(__file__).parent / "clients"
PYTHON = Path(__file__).parents[2] / ".venv-clients" / "bin" / "python"
INFER = "/inference.GRPCInferenceService/ModelInfer"


@pytest.fixture(scope="module")
def server(echoes: Repository) -> Iterator[Server]:
    with Server(echoes.folder, echoes.state, http__grpc_port=0, http__max_body_bytes=500_000) as one:
        yield one.ready()
    assert not [line for line in one.events if line["event"] == "text"]  # no library speaks in our log


def address(server: Server) -> str:
    return str(server.wait("listening for gRPC")["address"])


def failed(script: str, *arguments: str) -> Mapping[str, str]:
    """The checks of a client's script that did not end well, each with its traceback."""
    if not PYTHON.exists():
        pytest.skip("the clients are not installed: run make .venv-clients/.done")
    done = subprocess.run([PYTHON, CLIENTS / script, *arguments], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    found: dict[str, str] = json.loads(done.stdout)
    assert found
    return {check: trace for check, trace in found.items() if trace}


def test_tritons_clients_work_unchanged(server: Server) -> None:
    assert failed("with_triton.py", server.url.removeprefix("http://"), address(server)) == {}


def test_kserves_clients_work_unchanged(server: Server) -> None:
    assert failed("with_kserve.py", server.url, address(server)) == {}


def test_curl_sends_json_and_binary(server: Server, tmp_path: Path) -> None:
    url = f"{server.url}/v2/models/tensors/infer"
    listed = [
        {"name": name, "datatype": name, "shape": [1, 2], "data": [1, 0]}
        for name in NUMBERS
        if name not in ("BOOL", "FP16")
    ]
    words = {"name": "words", "datatype": "BYTES", "shape": [1], "data": ["é"]}
    binary = [
        {"name": name, "datatype": name, "shape": [1, 2], "parameters": {"binary_data_size": size}}
        for name, size in (("BOOL", 2), ("FP16", 4))
    ]
    head = json.dumps({"inputs": [*binary, *listed, words], "outputs": [{"name": "words"}, {"name": "FP16"}]})
    (tmp_path / "body").write_bytes(head.encode() + b"\1\0" + np.array([0.5, -1], "<f2").tobytes())
    length = f"Inference-Header-Content-Length: {len(head.encode())}"
    answer = json.loads(curl(url, "--data-binary", f"@{tmp_path / 'body'}", "--header", length))
    assert [(one["name"], one["datatype"], one["data"]) for one in answer["outputs"]] == [
        ("words", "BYTES", ["é"]),
        ("FP16", "FP32", [0.5, -1.0]),
    ]
    assert json.loads(curl(url, "--data", '{"inputs": []}')) == {"error": "inputs: there must be at least one"}


def curl(url: str, *arguments: str) -> str:
    return subprocess.run(
        ["curl", "--silent", "--show-error", *arguments, url], capture_output=True, check=True
    ).stdout.decode()


class Rpc:
    """A caller of gRPC without any client's help."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._infer = channel.unary_unary(
            INFER, pb.ModelInferRequest.SerializeToString, pb.ModelInferResponse.FromString
        )

    def infer(self, nap: float = 0.0, size: int = 1, timeout: float = 60.0) -> grpc.aio.UnaryUnaryCall:
        contents = {
            "boolean": ("BOOL", {"bool_contents": [True] * size}),
            "integer": ("INT32", {"int_contents": [1] * size}),
            "long": ("INT64", {"int64_contents": [1] * size}),
            "float": ("FP32", {"fp32_contents": [1.0] * size}),
            "double": ("FP64", {"fp64_contents": [1.0] * size}),
            "string": ("BYTES", {"bytes_contents": [b"a"] * size}),
            "binary": ("BYTES", {"bytes_contents": [b"\xff"] * size}),
            "datetime": ("BYTES", {"bytes_contents": [b"2024-05-31"] * size}),
            "list": ("BYTES", {"bytes_contents": [b"[]"] * size}),
        }
        inputs = [
            {"name": name, "datatype": datatype, "shape": [size], "contents": data}
            for name, (datatype, data) in contents.items()
        ]
        parameters = {"nap": pb.InferParameter(double_param=nap)}
        return self._infer(
            pb.ModelInferRequest(model_name="columns", inputs=inputs, parameters=parameters), timeout=timeout
        )


@contextlib.asynccontextmanager
async def calling(server: Server) -> AsyncIterator[Rpc]:
    async with grpc.aio.insecure_channel(address(server)) as channel:
        yield Rpc(channel)


async def test_an_answer_names_what_made_it_in_its_initial_metadata(server: Server) -> None:
    async with calling(server) as rpc:
        call = rpc.infer()
        lineage, model = dict(await call.initial_metadata()), server.model("columns")
        assert (lineage["x-model-name"], lineage["x-model-digest"]) == ("columns", model["digest"])
        assert lineage["x-model-revision"] == model["revision"]
        assert (await call).model_version == model["digest"].removeprefix("sha256:")[:12]


async def test_a_call_given_up_or_too_late_is_cancelled(server: Server) -> None:
    before = given_up_on(server)
    async with calling(server) as rpc:
        late, given_up = rpc.infer(nap=1.0, timeout=0.3), rpc.infer(nap=1.0)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await late
        assert refused.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        given_up.cancel()
        async with asyncio.timeout(10):
            while given_up_on(server) < before + 2:
                await asyncio.to_thread(server.get, "/health/live")
        assert (await rpc.infer()).model_name == "columns"


def given_up_on(server: Server) -> float:
    """Requests cancelled by their callers, or late: who is first to say so of one over gRPC is not settled."""
    return sum(
        value(server, "pinion_requests_total", model="columns", outcome=outcome)
        for outcome in ("cancelled", "deadline_exceeded")
    )


def metrics(server: Server) -> str:
    return server.get("/metrics").text


async def test_a_message_over_the_limit_of_bodies_is_refused(server: Server) -> None:
    async with calling(server) as rpc:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await rpc.infer(size=20_000)
        assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


@pytest.mark.e2e
async def test_a_call_in_flight_is_answered_when_the_server_is_told_to_stop(echoes: Repository) -> None:
    with Server(echoes.folder, echoes.state, http__grpc_port=0) as stopping:
        stopping.ready()
        async with calling(stopping) as rpc:
            call = rpc.infer(nap=2.0)
            async with asyncio.timeout(10):
                while "pinion_batch_rows_count" not in await asyncio.to_thread(metrics, stopping):
                    pass
            code = await asyncio.to_thread(stopping.stop)
            assert (await call).model_name == "columns"
            assert code == 0
