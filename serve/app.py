"""The composition root: builds the rooms from the settings, opens and closes them with the application.

The server listens from its first moment, live and not ready; the first release is made while it does.
"""

import asyncio
import contextlib
import functools
import math
from collections.abc import AsyncIterator
from dataclasses import dataclass
from importlib.metadata import version

from fastapi import FastAPI
from prometheus_client import CollectorRegistry, disable_created_metrics
from prometheus_client.process_collector import ProcessCollector
from starlette.types import ASGIApp

from serve import log, scratch, vitals
from serve.access.access import Access
from serve.artifact import watch
from serve.artifact.fetch import PullLimits, Store
from serve.artifact.trust import Trust
from serve.aside import Aside
from serve.attempts import Attempts
from serve.front import past, scoring
from serve.front.bodies import Bodies
from serve.front.crowd import Crowd, Limits, places
from serve.front.endpoint import Endpoint
from serve.front.open_inference import routes as open_inference
from serve.front.readiness import Readiness
from serve.front.routes import application
from serve.front.schemas.invocations import Invocations
from serve.front.schemas.open_inference import OpenInference
from serve.front.schemas.predict import Predict
from serve.front.standing import standing
from serve.inference import Inference
from serve.loader import Loader, LoaderOptions
from serve.metrics import Metrics
from serve.observe.watch import Watch
from serve.observers import Observers
from serve.rollout import Rollout, RolloutOptions
from serve.settings import Settings
from serve.shutdown import Shutdown
from serve.systemd import Systemd
from serve.worker.confinement import Confinement
from serve.worker.pool import PoolLimits


@dataclass(frozen=True, slots=True)
class _Rooms:
    """What the doors of one server lead to; `release` is the server's own version."""

    rollout: Rollout
    readiness: Readiness
    inference: Inference
    bodies: Bodies
    metrics: Metrics
    access: Access
    shutdown: Shutdown
    release: str


def build(
    settings: Settings,
    shutdown: Shutdown,
    crowd: Crowd,
    access: Access | None = None,
    attempts: Attempts | None = None,
    systemd: Systemd | None = None,
) -> FastAPI:
    """The ASGI application for these settings, for those whom `access` lets in, which ends as `shutdown` says.

    It counts whom `crowd` refuses, notes in `attempts` what is tried, and tells `systemd` how it stands. Its
    `state.rollout` is what is live.
    """
    access, systemd, release = access or Access(), systemd or Systemd(), version("pinion-serve")
    metrics = make_metrics()
    crowd.count = functools.partial(metrics.requests.count, "", "")
    rollout = make_rollout(settings, metrics, attempts)
    aside = Aside(settings.http.aside_processes, confinement=Confinement(settings.worker.sandbox))
    inference = make_inference(settings, rollout, metrics, aside)
    readiness = Readiness(rollout, shutdown)
    bodies = Bodies(settings.http.max_body_bytes, settings.http.max_held_bytes)
    rooms = _Rooms(rollout, readiness, inference, bodies, metrics, access, shutdown, release)
    observers = Observers(settings, metrics, release)
    looking = vitals.Vitals(metrics, settings.state)
    vitals.tell(metrics, rollout, readiness, crowd, bodies, access)
    vitals.tell_of_the_server(metrics, release, settings.batch.max_waiting_rows)

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        door = _grpc_door(settings, rooms, app.state.watch)
        told = systemd.told(functools.partial(standing, rollout, shutdown))
        following = _following(settings, rollout, shutdown, aside)
        async with following, observers.open(), access.followed(), looking.followed(), door, told:
            yield

    endpoints, default_model = _endpoints(settings, rooms), settings.rollout.default_model
    app = application(rollout, readiness, endpoints, metrics, lifespan, release, default_model, access.gate)
    app.state.watch = observers.watch(app, access.gate)
    app.state.rollout = rollout
    return app


def _endpoints(settings: Settings, rooms: _Rooms) -> dict[str, ASGIApp | scoring.Handler]:
    """What answers where, but for what FastAPI itself has."""
    inference, bodies = rooms.inference, rooms.bodies
    predict = Endpoint(inference, rooms.metrics, Predict(), bodies)
    invocations = Endpoint(inference, rooms.metrics, Invocations(), bodies)
    infer = Endpoint(inference, rooms.metrics, OpenInference(bodies.max_bytes), bodies)
    return {
        "/predict": predict,
        "/models/{name}/predict": predict,
        "/invocations": invocations,
        "/models/{name}/invocations": invocations,
        **scoring.handlers(rooms.readiness, inference),
        **past.handlers(past.Past(make_store(settings), make_pull_limits(settings), rooms.rollout)),
        **open_inference.routes(rooms.rollout, rooms.readiness, inference, infer, rooms.release),
    }


@contextlib.asynccontextmanager
async def _following(settings: Settings, rollout: Rollout, shutdown: Shutdown, aside: Aside) -> AsyncIterator[None]:
    """For the length of a block, what git asks for is made live; after it, what was taken is finished."""
    pins = watch.pins(settings.repo, settings.rollout.watch_interval_seconds)
    following = asyncio.create_task(rollout.follow(pins))
    ending = asyncio.create_task(_refuse_what_is_left(rollout, shutdown))
    try:
        yield
    finally:
        following.cancel()
        ending.cancel()
        await asyncio.gather(following, ending, return_exceptions=True)
        await _close(rollout, shutdown)
        await aside.close()


async def _refuse_what_is_left(rollout: Rollout, shutdown: Shutdown) -> None:
    """When the time of the shutdown is over, have whoever still waits for a worker told so, before uvicorn hangs up."""
    await shutdown.closed.wait()
    await asyncio.sleep(shutdown.left)
    await rollout.stop()


async def _close(rollout: Rollout, shutdown: Shutdown) -> None:
    """Finish what was taken, as long as the shutdown lasts; end what is left then."""
    closing = asyncio.create_task(rollout.close())
    await asyncio.wait((closing,), timeout=shutdown.left)
    if not closing.done():
        await rollout.stop()
    await closing


def _grpc_door(
    settings: Settings, rooms: _Rooms, watched: Watch | None
) -> contextlib.AbstractAsyncContextManager[None]:
    """Open where a port for it is set."""
    http = settings.http
    if http.grpc_port is None:
        return contextlib.nullcontext()
    from serve.front.grpc import server as grpc  # 20 MB, which most servers never need

    gate, certificates = rooms.access.gate, rooms.access.certificates
    service = grpc.Service(rooms.readiness, rooms.inference, rooms.bodies, rooms.release, rooms.metrics, gate, watched)
    limits = grpc.CallLimits(http.max_body_bytes, http.max_connections, http.header_timeout_seconds)
    return grpc.listening(service, http.host, http.grpc_port, limits, rooms.shutdown, certificates)


def make_inference(settings: Settings, rollout: Rollout, metrics: Metrics, aside: Aside) -> Inference:
    """The path of requests that these settings bound."""
    return Inference(
        rollout,
        metrics,
        aside,
        default_model=settings.rollout.default_model,
        max_rows=settings.http.max_rows,
        timeout_seconds=settings.http.request_timeout_seconds,
    )


def make_shutdown(settings: Settings) -> Shutdown:
    """How the server is to stop."""
    return Shutdown(settings.http.drain_delay_seconds, settings.rollout.drain_timeout_seconds)


def make_crowd(settings: Settings) -> Crowd:
    """Who may be connected, by these settings and by what the machine lets the process open."""
    http = settings.http
    return Crowd(
        Limits(
            body_bytes=http.max_body_bytes,
            unread_bytes=http.max_held_bytes,
            most=places(http.max_connections),
            most_per_address=http.max_connections_per_ip,
            header_seconds=http.header_timeout_seconds,
            body_seconds=http.body_timeout_seconds,
            write_seconds=http.write_timeout_seconds,
            min_rate=http.min_body_rate,
        )
    )


def make_metrics() -> Metrics:
    """The server's metrics on a registry of their own, with those of the process."""
    disable_created_metrics()  # type: ignore[no-untyped-call]  # it has no annotations
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    metrics = Metrics(registry)
    metrics.lost_lines.tell(log.lost)
    return metrics


def make_rollout(settings: Settings, metrics: Metrics, attempts: Attempts | None = None) -> Rollout:
    """The rollout these settings describe."""
    options = RolloutOptions(
        drain_timeout_seconds=settings.rollout.drain_timeout_seconds,
        first_retry_seconds=settings.rollout.first_retry_seconds,
        longest_retry_seconds=settings.rollout.longest_retry_seconds,
        hold_seconds=settings.rollout.hold_seconds,
        fall_back_after=settings.rollout.fall_back_after,
    )
    loader = make_loader(settings, metrics, attempts)
    return Rollout(loader, options, metrics, attempts=loader.attempts)


def make_loader(settings: Settings, metrics: Metrics, attempts: Attempts | None = None) -> Loader:
    """The loader these settings describe, over a state folder made ready; `OSError` where that is of no use."""
    scratch.begin(settings.state)
    options = LoaderOptions(
        limits=PoolLimits(
            workers=settings.worker.count,
            max_batch_rows=settings.batch.max_rows,
            max_waiting_rows=settings.batch.max_waiting_rows,
            max_waiting_seconds=settings.batch.max_waiting_seconds or math.inf,
            load_timeout_seconds=settings.worker.load_timeout_seconds,
            max_batch_seconds=settings.batch.max_seconds,
            devices=settings.worker.devices,
            predict_timeout_seconds=settings.predict_timeout_seconds,
            heartbeat_seconds=settings.worker.heartbeat_seconds,
            max_memory_bytes=settings.worker.max_memory_bytes,
            max_answer_bytes=settings.worker.max_answer_bytes,
        ),
        threads=settings.threads,
        environment=settings.worker.environment,
        keep_releases=settings.artifact.keep_releases,
        pull=make_pull_limits(settings),
        build_timeout_seconds=settings.worker.build_timeout_seconds,
        golden_timeout_seconds=settings.rollout.golden_timeout_seconds,
        from_source=settings.worker.build_from_source,
        trust=make_trust(settings),
        confinement=settings.confinement,
    )
    return Loader(make_store(settings), options, metrics, attempts)


def make_store(settings: Settings) -> Store:
    """Where things are, by these settings."""
    return Store(settings.repo, settings.state, settings.artifact.remote)


def make_pull_limits(settings: Settings) -> PullLimits:
    """What a pull may take."""
    return PullLimits(
        timeout_seconds=settings.artifact.pull_timeout_seconds,
        stall_seconds=settings.artifact.stall_seconds,
        max_bytes=settings.artifact.max_bytes,
        max_files=settings.artifact.max_files,
    )


def make_trust(settings: Settings) -> Trust:
    """Whose word counts, with the names of files made whole: git is run elsewhere."""
    trust = settings.trust
    return Trust(
        keys=tuple(path.resolve() for path in trust.keys),
        certificates=tuple(path.resolve() for path in trust.certificates),
        commits=trust.commits,
        allowed_signers=trust.allowed_signers.resolve() if trust.allowed_signers else None,
        revoked_signers=trust.revoked_signers.resolve() if trust.revoked_signers else None,
        allow_pickle=trust.allow_pickle,
        require_hashes=trust.require_hashes,
    )
