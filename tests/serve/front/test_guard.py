"""What is asked of whom: one table for every route there is, over HTTP and gRPC, and on which port each of them is."""

from pathlib import Path

import pytest
from fastapi import FastAPI
from starlette.routing import Mount, Route

from serve.access.access import Access
from serve.access.gate import Gate
from serve.access.keys import Keys
from serve.access.scope import Need
from serve.app import build
from serve.front import console
from serve.front.crowd import Crowd
from serve.front.endpoint import Endpoint
from serve.front.grpc import open_inference_pb2 as pb
from serve.front.grpc.server import NEEDS as RPC_NEEDS
from serve.front.guard import Guard, guard
from serve.front.needs import CONTROL, NEEDS
from serve.front.openapi import OF_DEFAULT, OF_MODEL
from serve.front.routes import without_control
from serve.settings import ArtifactSettings, Settings
from serve.shutdown import Shutdown
from tests.serve.front.described import EVERY_PATH, columns, deployed, described
from tests.serve.front.doorway import GENEROUS


@pytest.fixture
def app(tmp_path: Path) -> FastAPI:
    settings = Settings(artifact=ArtifactSettings(repo=tmp_path))
    return build(settings, Shutdown(0.0, 1.0), Crowd(GENEROUS), Access(Gate(Keys(), None)))


def routes(app: FastAPI) -> dict[str, Route | Mount]:
    return {one.path: one for one in app.routes if isinstance(one, Route | Mount)}


def test_every_route_that_is_mounted_is_in_the_table_and_no_other(app: FastAPI) -> None:
    assert set(routes(app)) == set(NEEDS)
    assert len(routes(app)) == len(app.routes)


def test_every_route_that_asks_something_is_guarded_for_just_that(app: FastAPI) -> None:
    found = {path: one.app._need if isinstance(one.app, Guard) else Need.NOTHING for path, one in routes(app).items()}
    assert found == NEEDS


def test_every_route_that_predicts_asks_for_the_scope_to_predict(app: FastAPI) -> None:
    predicting = {
        path for path, one in routes(app).items() if isinstance(one, Route) and isinstance(one.endpoint, Endpoint)
    }
    assert {path for path, need in NEEDS.items() if need is Need.PREDICT} == predicting


CONSOLE = {console.PAGE, console.FILES}  # no data is in them


def test_only_health_and_the_consoles_files_are_open(app: FastAPI) -> None:
    health = {"/health/live", "/health/ready", "/ping", "/health", "/v2/health/live", "/v2/health/ready"}
    assert {path for path, need in NEEDS.items() if need is Need.NOTHING} == {*health, *CONSOLE, "/v2/{rest:path}"}


def test_a_route_that_is_not_in_the_table_is_not_started_with() -> None:
    app = FastAPI(openapi_url=None)
    app.get("/forgotten")(lambda: None)
    with pytest.raises(KeyError, match="forgotten"):
        guard(app.routes, Gate(Keys(), None))


def test_beside_a_control_port_the_other_has_all_but_what_tells_the_operator(app: FastAPI) -> None:
    assert set(routes(without_control(app))) == set(NEEDS) - CONTROL
    assert {path for path in NEEDS if path in CONTROL} == CONTROL
    assert not {path for path in CONTROL - CONSOLE if NEEDS[path] in (Need.NOTHING, Need.PREDICT)}


def test_every_call_of_grpc_asks_for_what_its_route_does() -> None:
    (service,) = pb.DESCRIPTOR.services_by_name.values()
    assert {method.name for method in service.methods} == set(RPC_NEEDS)
    alike = {
        "ServerLive": "/v2/health/live",
        "ServerReady": "/v2/health/ready",
        "ModelReady": "/v2/models/{name}/ready",
        "ServerMetadata": "/v2",
        "ModelMetadata": "/v2/models/{name}",
        "ModelInfer": "/v2/models/{name}/infer",
    }
    assert {name: NEEDS[path] for name, path in alike.items()} == RPC_NEEDS


def test_the_document_says_what_lets_a_caller_in_where_something_must() -> None:
    open_, guarded = (
        described(deployed(columns("double"), "m")),
        described(deployed(columns("double"), "m"), guarded=True),
    )
    assert "securitySchemes" not in open_["components"]
    assert list(guarded["components"]["securitySchemes"]) == ["bearer"]
    of_route = {path.replace("{name}", "m"): path for path in EVERY_PATH}
    for path, item in guarded["paths"].items():
        for method, operation in item.items():
            asks = NEEDS[of_route[path]] is not Need.NOTHING
            assert (operation.get("security") == [{"bearer": []}]) is asks
            assert ({"401", "403"} <= set(operation["responses"])) is asks
            assert {"401", "403"}.isdisjoint(open_["paths"][path][method]["responses"])
    assert set(OF_MODEL) | set(OF_DEFAULT) <= set(of_route.values())
