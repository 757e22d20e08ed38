"""The server's own composition, over HTTP and gRPC, while no release is live: it is there, and not ready."""

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import grpc.aio
import httpx
import pytest
from structlog.testing import capture_logs

from serve.app import build, make_metrics, make_rollout
from serve.artifact.pin import Pin
from serve.aside import Aside
from serve.front.bodies import Bodies
from serve.front.crowd import Crowd
from serve.front.grpc import open_inference_pb2 as pb
from serve.front.grpc import server
from serve.front.open_inference.routes import Index
from serve.front.readiness import Readiness
from serve.inference import Inference
from serve.loader import Deployed, Live
from serve.settings import ArtifactSettings, Settings
from serve.shutdown import Shutdown
from tests.fakes import FakePool, FakeSnapshot
from tests.forms import within
from tests.serve.front.doorway import GENEROUS

SERVICE = "/inference.GRPCInferenceService/"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(artifact=ArtifactSettings(repo=tmp_path))


@pytest.fixture
async def http(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    app = httpx.ASGITransport(build(settings, Shutdown(0.0, 1.0), Crowd(GENEROUS)))
    async with httpx.AsyncClient(transport=app, base_url="http://pinion") as client:
        yield client


@pytest.fixture
def service(settings: Settings) -> server.Service:
    metrics = make_metrics()
    rollout = make_rollout(settings, metrics)
    inference = Inference(rollout, metrics, Aside(1), default_model=None, max_rows=10, timeout_seconds=1.0)
    readiness = Readiness(rollout, Shutdown(0.0, 1.0))
    return server.Service(readiness, inference, Bodies(1000, 1000), "1.2.3", metrics)


LIMITS = server.CallLimits(message_bytes=1000, calls=100, begin_seconds=1.0)


@pytest.fixture
async def address(service: server.Service) -> AsyncIterator[str]:
    with capture_logs() as logged:
        async with server.listening(service, "127.0.0.1", 0, LIMITS, Shutdown(0.0, 1.0)):
            yield next(line["address"] for line in logged if line["event"] == "listening for gRPC")


@pytest.fixture
async def channel(address: str) -> AsyncIterator[grpc.aio.Channel]:
    async with grpc.aio.insecure_channel(address) as one:
        yield one


@pytest.mark.parametrize(
    ("path", "status", "body"),
    [
        ("/v2", 200, {"name": "pinion", "version": "0.1.0", "extensions": ["binary_tensor_data", "parameters"]}),
        ("/v2/health/live", 200, {"live": True}),
        ("/v2/health/ready", 503, {"ready": False}),
        ("/v2/models/m", 503, {"error": "no release is live yet: see /health/ready"}),
        ("/v2/models/m/ready", 503, {"error": "no release is live yet: see /health/ready"}),
        ("/v2/models/m/versions/abcdef0/ready", 503, {"error": "no release is live yet: see /health/ready"}),
        ("/v2/models/m/infer", 405, {"error": "/v2/models/m/infer takes POST, not GET"}),
        ("/v2/repository/index", 405, {"error": "/v2/repository/index takes POST, not GET"}),
        (
            "/v2/models/m/config",
            404,
            {"error": "GET /v2/models/m/config is not a route of this server; see docs/http.md"},
        ),
        ("/v2/", 404, {"error": "GET /v2/ is not a route of this server; see docs/http.md"}),
    ],
)
async def test_the_http_door_answers_in_the_protocols_shapes(
    http: httpx.AsyncClient, path: str, status: int, body: dict[str, object]
) -> None:
    answer = await http.get(path)
    assert (answer.status_code, answer.json()) == (status, body)
    assert answer.headers["content-type"] == "application/json"


async def test_the_repository_holds_nothing_before_a_release_is_live(http: httpx.AsyncClient) -> None:
    assert (await http.post("/v2/repository/index", content=b"{}")).json() == []
    assert (await http.post("/v2/repository/models/m/load")).status_code == 404
    answer = await http.post("/v2/models/m/infer", content=b"{}")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")


async def test_the_repository_says_of_each_model_whether_it_is_to_be_asked(settings: Settings) -> None:
    rollout, shutdown, pool = make_rollout(settings, make_metrics()), Shutdown(0.0, 1.0), FakePool("m")
    deployed = Deployed(FakeSnapshot("m", f"sha256:{'0' * 64}"), "abc", pool, "now", ())  # type: ignore[arg-type]
    rollout.live = Live(Pin("", 0, 0, ()), {"m": deployed})
    index = httpx.ASGITransport(Index(rollout, Readiness(rollout, shutdown)))

    async def told() -> dict[str, str]:
        async with httpx.AsyncClient(transport=index, base_url="http://pinion") as client:
            (one,) = (await client.post("/v2/repository/index")).json()
        return {name: one[name] for name in ("name", "version", "state", "reason")}

    known = {"name": "m", "version": "0" * 12}
    assert await told() == {**known, "state": "READY", "reason": ""}
    pool.alive = 0
    assert await told() == {**known, "state": "UNAVAILABLE", "reason": "no worker is ready"}
    pool.alive = 1
    shutdown.begin()
    assert await told() == {**known, "state": "UNAVAILABLE", "reason": "the server is stopping"}


async def test_a_json_length_that_is_no_number_is_refused(http: httpx.AsyncClient) -> None:
    headers = {"Inference-Header-Content-Length": "1e3"}
    answer = await http.post("/v2/models/m/infer", content=b"{}", headers=headers)
    assert answer.status_code == 400
    assert answer.json() == {"error": "the header Inference-Header-Content-Length must be a whole number of bytes"}


async def test_the_grpc_door_is_live_and_not_ready(channel: grpc.aio.Channel) -> None:
    async def call(name: str, message: object, answer: type[pb.ServerLiveResponse]) -> object:
        return await channel.unary_unary(SERVICE + name, lambda one: one.SerializeToString(), answer.FromString)(
            message
        )

    assert await call("ServerLive", pb.ServerLiveRequest(), pb.ServerLiveResponse) == pb.ServerLiveResponse(live=True)
    assert await call("ServerReady", pb.ServerReadyRequest(), pb.ServerReadyResponse) == pb.ServerReadyResponse()
    assert await call("ModelReady", pb.ModelReadyRequest(name="m"), pb.ModelReadyResponse) == pb.ModelReadyResponse()
    told = await call("ServerMetadata", pb.ServerMetadataRequest(), pb.ServerMetadataResponse)
    assert told == pb.ServerMetadataResponse(
        name="pinion", version="1.2.3", extensions=["binary_tensor_data", "parameters"]
    )


@pytest.mark.parametrize(
    ("method", "message", "code", "told"),
    [
        ("ModelMetadata", pb.ModelMetadataRequest(name="m"), "UNAVAILABLE", "no release is live yet"),
        ("ModelInfer", pb.ModelInferRequest(model_name="m"), "UNAVAILABLE", "no release is live yet"),
        ("ModelInfer", pb.ModelInferRequest(raw_input_contents=[b"x" * 1001]), "RESOURCE_EXHAUSTED", "larger than max"),
        ("RepositoryIndex", pb.ServerLiveRequest(), "UNIMPLEMENTED", "Method not found"),
    ],
)
async def test_grpc_refuses_with_a_status_of_its_own(
    channel: grpc.aio.Channel, method: str, message: pb.ModelInferRequest, code: str, told: str
) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await channel.unary_unary(SERVICE + method)(message.SerializeToString())
    assert refused.value.code().name == code
    assert told in (refused.value.details() or "")


@pytest.mark.parametrize("said", [b"", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"])
async def test_who_connects_to_the_grpc_door_and_does_not_begin_is_shown_out(address: str, said: bytes) -> None:
    host, port = address.split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(said)
    async with asyncio.timeout(within(10.0)):
        while await reader.read(4096):
            pass
    writer.close()


async def test_bytes_that_are_no_message_are_refused(channel: grpc.aio.Channel) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await channel.unary_unary(SERVICE + "ModelInfer")(b"\xff\xff")
    assert refused.value.code().name == "INVALID_ARGUMENT"
    assert refused.value.details() == "the message is no inference.ModelInferRequest"


async def test_a_port_in_use_is_not_shared(service: server.Service) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(RuntimeError):
            async with server.listening(service, "127.0.0.1", port, LIMITS, Shutdown(0.0, 1.0)):
                pass
