"""The gRPC door: `inference.GRPCInferenceService` on a port of its own, beside HTTP, in the same event loop.

Requests go the one path of `Inference`, so they count in the same metrics, share batches with those of HTTP, and are
cancelled with their call. Answers name what made them in their initial metadata, as HTTP's do in headers.
"""

import asyncio
import contextlib
import functools
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, NamedTuple

import grpc
import grpc.aio
import structlog
from google.protobuf.message import DecodeError

from serve.access.certificates import Certificates
from serve.access.gate import Gate
from serve.access.scope import Need
from serve.errors import InternalError, MalformedRequest, NotReady, ServeError
from serve.front.bodies import Bodies
from serve.front.grpc import messages
from serve.front.grpc import open_inference_pb2 as pb
from serve.front.grpc.watched import Call, Context, headers, watched
from serve.front.open_inference import metadata
from serve.front.readiness import Readiness
from serve.front.status import RPC_STATUS, in_one, status
from serve.front.timed import Timed
from serve.inference import Inference
from serve.journey import HEADER, Journey, begin
from serve.metrics import Metrics
from serve.observe.watch import Watch
from serve.request import InferenceRequest
from serve.shutdown import Shutdown

log = structlog.get_logger()

_SERVICE = "inference.GRPCInferenceService"


class Called(NamedTuple):
    """One call, beside its message."""

    context: Context
    journey: Journey


Method = Callable[[Any, Called], Awaitable[Any]]

_MOST_STREAMS = 100  # of a connection, as others have it
_PING_MS, _PONG_MS = 60_000, 20_000  # how soon a silent caller is asked whether it is there, and must say so
_IDLE_MS = 300_000  # without a call; clients connect anew by themselves


class CallLimits(NamedTuple):
    """What callers may take: bytes of a message, calls at once, seconds until a connection has begun."""

    message_bytes: int
    calls: int
    begin_seconds: float


# What each call asks of its caller, as `serve.front.needs` has it for the same over HTTP.
NEEDS = {
    "ServerLive": Need.NOTHING,
    "ServerReady": Need.NOTHING,
    "ModelReady": Need.KNOWN,
    "ServerMetadata": Need.KNOWN,
    "ModelMetadata": Need.KNOWN,
    "ModelInfer": Need.PREDICT,
}


class Service:
    """The protocol's six calls; each takes its request and gives its answer, or raises a `ServeError`."""

    def __init__(
        self,
        readiness: Readiness,
        inference: Inference,
        bodies: Bodies,
        version: str,
        metrics: Metrics,
        gate: Gate | None = None,
        watch: Watch | None = None,
    ) -> None:
        self._readiness, self._inference = readiness, inference
        self._timed = Timed(inference, metrics, "grpc")
        self._bodies, self._version, self._gate, self._watch = bodies, version, gate, watch

    @property
    def handlers(self) -> grpc.GenericRpcHandler:
        """The calls by name, as a server takes them."""
        calls: list[tuple[str, Method, type[Any], type[Any]]] = [
            ("ServerLive", self.server_live, pb.ServerLiveRequest, pb.ServerLiveResponse),
            ("ServerReady", self.server_ready, pb.ServerReadyRequest, pb.ServerReadyResponse),
            ("ModelReady", self.model_ready, pb.ModelReadyRequest, pb.ModelReadyResponse),
            ("ServerMetadata", self.server_metadata, pb.ServerMetadataRequest, pb.ServerMetadataResponse),
            ("ModelMetadata", self.model_metadata, pb.ModelMetadataRequest, pb.ModelMetadataResponse),
            ("ModelInfer", self.model_infer, pb.ModelInferRequest, pb.ModelInferResponse),
        ]
        return grpc.method_handlers_generic_handler(
            _SERVICE,
            {
                name: grpc.unary_unary_rpc_method_handler(
                    self._watched(name, _refusing(method, asked, functools.partial(self._require, NEEDS[name]))),
                    response_serializer=answered.SerializeToString,
                )
                for name, method, asked, answered in calls
            },
        )

    def _watched(self, name: str, call: Call) -> Call:
        """The same, of which whoever watches requests is told."""
        if self._watch is None:
            return call
        return watched(self._watch, f"/{_SERVICE}/{name}", NEEDS[name] is Need.PREDICT, call)

    def _require(self, need: Need, context: Context) -> None:
        """Raise where the gate does not let the caller in."""
        if self._gate is not None:
            self._gate.require(headers(context), need)

    async def server_live(self, _: pb.ServerLiveRequest, called: Called) -> pb.ServerLiveResponse:
        return pb.ServerLiveResponse(live=True)

    async def server_ready(self, _: pb.ServerReadyRequest, called: Called) -> pb.ServerReadyResponse:
        return pb.ServerReadyResponse(ready=self._readiness.ready)

    async def model_ready(self, asked: pb.ModelReadyRequest, called: Called) -> pb.ModelReadyResponse:
        try:
            deployed = self._inference.find(asked.name, asked.version or None)
        except NotReady:
            return pb.ModelReadyResponse(ready=False)
        return pb.ModelReadyResponse(ready=self._readiness.of(deployed))

    async def server_metadata(self, _: pb.ServerMetadataRequest, called: Called) -> pb.ServerMetadataResponse:
        return pb.ServerMetadataResponse(**metadata.server(self._version))

    async def model_metadata(self, asked: pb.ModelMetadataRequest, called: Called) -> pb.ModelMetadataResponse:
        return messages.model_metadata(self._inference.find(asked.name, asked.version or None))

    async def model_infer(self, asked: pb.ModelInferRequest, called: Called) -> pb.ModelInferResponse:
        reading = messages.MessageReading(asked)
        name, version, now = asked.model_name or None, asked.model_version or None, time.perf_counter()
        request = InferenceRequest(name, version, reading, now, _left(called.context), called.journey)
        body = self._bodies.expect()
        try:
            body.count(reading.size)
            response = await self._inference.infer(request)
            answer = await self._inference.written(request, response, messages.answer)
        except ServeError as error:
            self._timed.refused(request, RPC_STATUS[status(error)], request.received)
            raise
        finally:
            body.release()
        self._timed.answered(response.model, "OK", request.received)
        await called.context.send_initial_metadata((*response.lineage, (HEADER, called.journey.id)))
        return answer


def _refusing(method: Method, kind: type[Any], require: Callable[[Context], None]) -> Call:
    """The call, from the bytes of its message, which are read for those who may call; its errors become statuses of
    gRPC, each with its sentence. The id of the request is in the last metadata of all of them."""

    async def call(message: bytes, context: Context, journey: Journey | None = None) -> Any:
        journey = journey or begin(dict(headers(context)))
        context.set_trailing_metadata(((HEADER, journey.id),))
        try:
            require(context)
            return await method(_read(message, kind), Called(context, journey))
        except ServeError as error:
            refusal = error
        except Exception:  # a fault of ours: the log has it, the caller gets a sentence
            log.exception("request failed unexpectedly", request_id=journey.id)
            refusal = InternalError("the server failed on this request; its log has the details")
        if journey.notes is not None:
            journey.notes.refusal = status(refusal)
        return await context.abort(grpc.StatusCode[RPC_STATUS[status(refusal)]], in_one(refusal))

    return call


def _left(context: Context) -> float | None:
    """The seconds to the deadline of a call, to the millisecond; None where it has none."""
    left = context.time_remaining()
    return None if left is None else max(0.0, round(left, 3))


def _read(message: bytes, kind: type[Any]) -> Any:
    try:
        return kind.FromString(message)
    except DecodeError:
        raise MalformedRequest(f"the message is no {kind.DESCRIPTOR.full_name}") from None


@contextlib.asynccontextmanager
async def listening(
    service: Service,
    host: str,
    port: int,
    limits: CallLimits,
    shutdown: Shutdown,
    certificates: Certificates | None = None,
) -> AsyncIterator[None]:
    """Serve until the shutdown is closed; then take no more calls, and finish those taken before the block ends.

    In plain text where there are no certificates.
    """
    options = [
        ("grpc.max_receive_message_length", limits.message_bytes),
        ("grpc.max_send_message_length", -1),
        ("grpc.so_reuseport", 0),  # else two servers could share a port, and each get half of the calls
        ("grpc.max_concurrent_streams", _MOST_STREAMS),
        ("grpc.server_handshake_timeout_ms", int(limits.begin_seconds * 1000)),
        ("grpc.keepalive_time_ms", _PING_MS),
        ("grpc.keepalive_timeout_ms", _PONG_MS),
        ("grpc.max_connection_idle_ms", _IDLE_MS),
    ]
    server = grpc.aio.server(options=options, maximum_concurrent_rpcs=limits.calls)
    server.add_generic_rpc_handlers((service.handlers,))
    shown = f"[{host}]" if ":" in host else host
    address = f"{shown}:{port}"
    if certificates is None:
        bound = server.add_insecure_port(address)
    else:
        bound = server.add_secure_port(address, _credentials(certificates))
    await server.start()
    log.info("listening for gRPC", address=f"{shown}:{bound}", tls=certificates is not None)
    stopping = asyncio.create_task(_stop(server, shutdown))
    try:
        yield
    finally:
        shutdown.close()
        await stopping


def _credentials(certificates: Certificates) -> grpc.ServerCredentials:
    """Credentials that are the newest ones at each handshake."""

    def newest() -> grpc.ServerCertificateConfiguration:
        pem = certificates.pem
        return grpc.ssl_server_certificate_configuration([(pem.key, pem.certificate)], pem.client_ca)

    return grpc.dynamic_ssl_server_credentials(newest(), newest, certificates.mutual)


async def _stop(server: grpc.aio.Server, shutdown: Shutdown) -> None:
    await shutdown.closed.wait()
    await server.stop(shutdown.left)
