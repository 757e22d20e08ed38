"""Rows C-17 and C-18: what nobody waits for any more never reaches the model, and costs nobody else anything."""

import asyncio
from collections.abc import Iterator
from typing import Any

import grpc
import grpc.aio
import httpx
import pytest

from serve.front.grpc import open_inference_pb2 as pb
from tests.chaos.load import Client, Load
from tests.chaos.residue import eventually
from tests.e2e import metrics
from tests.e2e.conftest import Repository
from tests.e2e.server import Server
from tests.forms import TIMED, within

IN_TIME = 0.5  # seconds past a deadline in which its answer must be there
INFER = "/v2/models/oracle/infer"


@pytest.fixture(scope="module")
def server(promoted: Repository) -> Iterator[Server]:
    """With one worker, so that what one request takes the others wait for."""
    settings = {"http__request_timeout_seconds": 2.0, "worker__predict_timeout_seconds": 20.0, "http__grpc_port": 0}
    with Server(promoted.folder, promoted.state, **settings).ready() as one:
        yield one


def body(path: str, fault: str) -> Any:
    if path != INFER:
        return {"inputs": {"x": [1.0], "fault": [fault]}}
    return {
        "inputs": [
            {"name": "x", "shape": [1], "datatype": "FP64", "data": [1.0]},
            {"name": "fault", "shape": [1], "datatype": "BYTES", "data": [fault]},
        ]
    }


def ask(server: Server, path: str, fault: str, timeout: str) -> httpx.Response:
    headers = {"x-request-timeout": timeout}
    return httpx.post(server.url + path, json=body(path, fault), headers=headers, timeout=30.0)


def pid(server: Server) -> int:
    return int(server.model()["workers"][0]["pid"])


@TIMED
@pytest.mark.parametrize("path", ["/predict", "/models/oracle/predict", "/invocations", INFER])
def test_a_caller_is_told_at_its_own_deadline_and_its_hurry_costs_no_worker(server: Server, path: str) -> None:
    before = pid(server)
    answer = ask(server, path, "nap:2", "0.3")
    assert (answer.status_code, "within 0.3 seconds" in answer.text) == (504, True), answer.text
    assert is_busy(server)  # still: nobody was made to wait for its end
    assert 0.3 <= answer.elapsed.total_seconds() < 0.3 + within(IN_TIME)
    assert eventually(lambda: not is_busy(server))
    assert ask(server, path, "nap:0", "1.5").status_code == 200
    assert pid(server) == before


@pytest.mark.parametrize("timeout", ["", "soon", "0", "0.0", "-1", "+1", "1e3", "inf", "nan", "1,5", "1.5s", "9" * 40])
@pytest.mark.parametrize("path", ["/predict", "/invocations", INFER])
def test_a_timeout_that_is_none_is_refused_in_a_sentence(server: Server, path: str, timeout: str) -> None:
    answer = ask(server, path, "nap:0", timeout)
    assert answer.status_code == 400
    assert "the header X-Request-Timeout must be a number of seconds above 0, as in 1.5" in answer.text


def test_a_caller_can_not_ask_for_more_time_than_the_server_allows(server: Server) -> None:
    answer = ask(server, "/predict", "nap:3", "60")
    assert (answer.status_code, "within 2 seconds" in answer.text) == (504, True), answer.text
    assert eventually(lambda: server.model()["workers"][0]["state"] == "ready")


def test_the_protocol_s_own_timeout_is_in_microseconds(server: Server) -> None:
    asked = {**body(INFER, "nap:1.2"), "parameters": {"timeout": 300_000}}
    answer = httpx.post(server.url + INFER, json=asked, timeout=30.0)
    assert (answer.status_code, "within 0.3 seconds" in answer.text) == (504, True), answer.text
    patient = {**body(INFER, "nap:0"), "parameters": {"timeout": 1_500_000}}
    assert httpx.post(server.url + INFER, json=patient, timeout=30.0).status_code == 200
    wrong = {**asked, "parameters": {"timeout": "soon"}}
    refused = httpx.post(server.url + INFER, json=wrong, timeout=30.0)
    assert (refused.status_code, "whole number of microseconds" in refused.text) == (400, True)


@TIMED
async def test_what_expires_in_the_queue_never_reaches_the_model(server: Server) -> None:
    deaths, served = metrics.value(server, "pinion_worker_deaths_total"), predicted(server)
    dropped = metrics.value(server, "pinion_dropped_rows_total", reason="deadline")
    async with Client(server.url) as client:
        busy = asyncio.create_task(client.ask([1.0], "nap:1.9"))
        assert await asyncio.to_thread(eventually, lambda: is_busy(server))
        late = [client.ask([float(x)], "exit", **{"X-Request-Timeout": "0.2"}) for x in range(5)]
        replies = await asyncio.gather(*late, over_grpc(server))
        assert not busy.done()  # each was told before its turn came
        assert [one.status for one in replies[:-1]] == [504] * 5
        assert all(one.seconds < 0.2 + within(IN_TIME) for one in replies[:-1])
        assert (await busy).status == 200
        assert (await client.ask([1.0])).status == 200
    assert metrics.value(server, "pinion_dropped_rows_total") - dropped >= 6
    assert predicted(server) - served == 2
    assert metrics.value(server, "pinion_worker_deaths_total") == deaths


@TIMED
async def test_those_who_leave_cost_the_others_nothing_and_the_model_no_work(server: Server) -> None:
    before = metrics.value(server, "pinion_dropped_rows_total", reason="cancelled")
    async with Load(server.url, rate=100.0, count=300, usual="nap:0.05", leaving=0.3) as load:
        await load.over()
    load.require_nothing_lost()
    assert load.left > 50
    assert await asyncio.to_thread(eventually, lambda: in_flight(server) == 0, within(2.0))
    assert metrics.value(server, "pinion_dropped_rows_total", reason="cancelled") > before
    assert metrics.value(server, "pinion_requests_total", outcome="cancelled") > 0


async def over_grpc(server: Server) -> None:
    """A call whose deadline passes while it waits."""
    address = server.wait("listening for gRPC")["address"]
    inputs = [
        pb.ModelInferRequest.InferInputTensor(name="x", datatype="FP64", shape=[1], contents={"fp64_contents": [1.0]}),
        pb.ModelInferRequest.InferInputTensor(
            name="fault", datatype="BYTES", shape=[1], contents={"bytes_contents": [b"exit"]}
        ),
    ]
    async with grpc.aio.insecure_channel(address) as channel:
        call = channel.unary_unary(
            "/inference.GRPCInferenceService/ModelInfer",
            request_serializer=pb.ModelInferRequest.SerializeToString,
            response_deserializer=pb.ModelInferResponse.FromString,
        )
        with pytest.raises(grpc.aio.AioRpcError) as found:
            await call(pb.ModelInferRequest(model_name="oracle", inputs=inputs), timeout=0.2)
        assert found.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED


def predicted(server: Server) -> float:
    return metrics.value(server, "pinion_batch_rows_sum", model="oracle")


def in_flight(server: Server) -> float:
    return metrics.value(server, "pinion_requests_in_flight")


def is_busy(server: Server) -> bool:
    return bool(server.model()["workers"][0]["state"] == "busy")
