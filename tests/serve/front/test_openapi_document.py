"""What /openapi.json holds: names, routes, examples, answers; and the page that shows it."""

import itertools
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import orjson
import pytest
from openapi_spec_validator import validate
from starlette.routing import Route

from serve.app import build
from serve.errors import MalformedRequest
from serve.front import console, describe, docs
from serve.front.crowd import Crowd
from serve.front.dialect import timeout_seconds
from serve.front.open_inference.body import BodyReading
from serve.front.openapi import answers, example
from serve.settings import ArtifactSettings, Settings
from serve.shutdown import Shutdown
from serve.signature import payload
from serve.signature.binding import bind
from serve.signature.spec import AnyType, ArrayType, Column, MapType, ObjectType, Property, Signature, TensorSpec
from tests.serve.front.described import (
    EVERY_PATH,
    VALUES,
    columns,
    deployed,
    described,
    signatures,
    validator,
)
from tests.serve.front.doorway import GENEROUS

PAGES = {console.PAGE, console.FILES, "/docs", "/redoc"}
PERSON = ObjectType((Property("a", "string", True), Property("n", "double", False)))


def test_the_document_of_every_kind_of_signature_is_valid_openapi() -> None:
    validate(described(*(deployed(one, name, streams=True) for name, one in signatures().items()), default="chat"))


def test_without_a_release_the_document_is_valid_and_tells_so() -> None:
    found = described()
    validate(found)
    assert "No model is live yet" in found["info"]["description"]
    assert not [path for path in found["paths"] if "predict" in path or "infer" in path]


def test_the_route_without_a_name_is_described_where_there_is_one_model_or_a_default() -> None:
    one, other = deployed(columns("double"), "one"), deployed(columns("string"), "other")
    assert "/predict" not in described(one, other)["paths"]
    assert described(one)["paths"]["/predict"]["post"]["tags"] == ["one"]
    assert described(one, other, default="other")["paths"]["/invocations"]["post"]["tags"] == ["other"]


def test_every_route_is_described_but_for_the_pages_themselves(tmp_path: Path) -> None:
    app = build(Settings(artifact=ArtifactSettings(repo=tmp_path)), Shutdown(0.0, 1.0), Crowd(GENEROUS))
    mounted = {route.path for route in app.routes if isinstance(route, Route)}
    assert mounted - set(EVERY_PATH) == PAGES | {"/openapi.json", "/v2/{rest:path}"}
    assert set(EVERY_PATH) <= mounted


def test_names_are_clean_and_no_two_models_share_one() -> None:
    names = ["digits", "Digits", "credit-risk.v2", "credit_risk_v2", "3d", "XGBoost"]
    found = described(*(deployed(columns("double"), name) for name in names))
    titles = {name.removesuffix("Request") for name in found["components"]["schemas"] if name.endswith("Request")}
    assert {"Digits", "Digits2", "CreditRiskV2", "CreditRiskV22", "Model3D", "XgBoost"} <= titles
    operations = [one["operationId"] for item in found["paths"].values() for one in item.values()]
    assert len(set(operations)) == len(operations)
    assert {"predict_credit_risk_v2", "predict_credit_risk_v22", "v2_version_infer_xg_boost"} <= set(operations)


def test_the_names_of_a_model_do_not_depend_on_those_that_come_after_it() -> None:
    before = described(deployed(columns("double"), "a"))["components"]["schemas"]
    after = described(deployed(columns("double"), "a"), deployed(columns("long"), "b"))["components"]["schemas"]
    assert {name: after[name] for name in before} == before


def test_defaults_of_params_are_told() -> None:
    found = described(deployed(signatures()["params"]))["components"]["schemas"]["MParams"]["properties"]
    assert (found["list"]["default"], found["who"]["default"]) == ([1], {"name": "Ada"})


OUTPUTS: dict[str, tuple[tuple[Any, ...], Any, Any]] = {
    "a frame": ((Column("y", "double", True),), [{"y": 0.5}, {"y": None}], {"y": "a"}),
    "a list of a column": ((Column(None, "string", True),), ["a", "b"], [{"0": "a"}]),
    "a series": ((Column(None, "long", True),), [{"0": 1}], [1]),
    "columns": ((Column("y", "boolean", True),), {"y": [True]}, [{"y": True}]),
    "one object": ((Column("y", MapType("double"), True),), {"y": {"a": None}}, {"y": 1}),
    "a value": ((Column(None, "datetime", True),), "2024-05-31", 1),
    "nested": ((Column("y", ArrayType(PERSON), False),), [{"y": [{"a": "b", "more": 1}]}], [{"y": [{}]}]),
    "anything": ((Column("y", AnyType(), True),), [{"y": [1]}], ["y"]),
    "a tensor": ((TensorSpec(None, "<f4", (-1, 2)),), [[0.5, None]], [[0.5]]),
    "a named tensor alone": ((TensorSpec("y", "<i8", (-1,)),), [1, 2], [0.5]),
    "named tensors": (
        (TensorSpec("y", "<i8", (-1,)), TensorSpec("z", "<M8[ns]", (-1,))),
        {"y": [1], "z": [None]},
        {"y": [1]},
    ),
    "texts": ((TensorSpec(None, "|O", (-1,)),), ["a", None, 1], "a"),
    "a lie": ((Column("y", "double", True),), 1, None),
    "nothing told": ((), [1, {"a": 2}], None),
}


@pytest.mark.parametrize(("outputs", "golden", "other"), OUTPUTS.values(), ids=OUTPUTS)
def test_an_answer_is_described_in_the_shape_of_the_golden_one(outputs: Any, golden: Any, other: Any) -> None:
    found = described(deployed(Signature(outputs=outputs), request={"inputs": [1]}, predictions=golden))
    response = validator(found, "MResponse")
    assert response.is_valid({"predictions": golden})
    if other is not None:
        assert not response.is_valid({"predictions": other})


def test_what_fits_a_schema_here_fits_it_everywhere() -> None:
    schemas: list[Any] = [{}, {"type": "number"}, {"anyOf": [{"type": ["string", "null"]}, {"type": "integer"}]}]
    schemas += [{"type": "array", "items": schemas[2]}, {"type": "object", "properties": {"a": schemas[1]}}]
    schemas += [{"type": "array", "minItems": 1, "maxItems": 1}, {"type": "object", "required": ["a"]}]
    schemas += [{"type": "object", "additionalProperties": {"type": "boolean"}}]
    for schema, value in itertools.product(schemas, VALUES):
        found = {"components": {"schemas": {"S": schema}}}
        assert answers.fits(value, schema) == validator(found, "S").is_valid(value), (schema, value)


def test_of_a_long_example_the_first_rows_are_shown_where_each_is_answered_alone() -> None:
    for form, rows in (
        ("inputs", [[0.5] * 100] * 50),
        ("instances", [{"x": 0.5, "y": "a" * 100}] * 50),
        ("dataframe_records", [{"x": 0.5, "y": "a" * 100}] * 50),
    ):
        shown = example.of({"request": {form: rows, "params": {"p": 1}}, "predictions": [1] * 50}, batchable=True)
        assert shown is not None
        request, predictions = shown
        assert 1 <= len(request[form]) == len(predictions) < 50
        assert request["params"] == {"p": 1}


def test_of_columns_and_of_a_split_frame_the_first_rows_are_shown_too() -> None:
    by_column = {"inputs": {"x": [0.5] * 900, "y": ["a"] * 900}}
    split = {"dataframe_split": {"columns": ["x"], "data": [[0.5]] * 900, "index": list(range(900))}}
    shown = example.of({"request": by_column, "predictions": [1] * 900}, batchable=True)
    assert shown is not None
    assert {len(column) for column in shown[0]["inputs"].values()} == {len(shown[1])}
    shown = example.of({"request": split, "predictions": [1] * 900}, batchable=True)
    assert shown is not None
    frame = shown[0]["dataframe_split"]
    assert (frame["columns"], len(frame["data"]), len(frame["index"])) == (["x"], len(shown[1]), len(shown[1]))


def test_an_example_that_can_not_be_cut_is_shown_whole_or_not_at_all() -> None:
    long = {"request": {"inputs": [0.5] * 3000}, "predictions": [1] * 3000}
    assert example.of(long, batchable=False) == (long["request"], long["predictions"])
    assert example.of({"request": {"inputs": {"x": "a" * 300_000}}, "predictions": 1}, batchable=True) is None
    assert example.of({"request": {"messages": ["a"] * 900}, "predictions": ["b"] * 900}, batchable=True) is not None


def test_an_example_is_shown_to_clients_of_the_open_inference_protocol_as_tensors() -> None:
    model = deployed(columns("double", "string"), request={"inputs": [{"c0": 0.5, "c1": "a"}]}, predictions=[1])
    infer = described(model)["paths"]["/v2/models/m/infer"]["post"]["requestBody"]["content"]["application/json"]
    assert infer["examples"]["m"]["value"] == {
        "inputs": [
            {"name": "c0", "datatype": "FP64", "shape": [1, 1], "data": [0.5]},
            {
                "name": "c1",
                "datatype": "BYTES",
                "shape": [1, 1],
                "parameters": {"content_type": "str"},
                "data": ["a"],
            },
        ]
    }


@pytest.mark.parametrize("dtype", ["?", "i1", "u8", "f2", "f4", "f8", "c8", "U", "S", "M8[ns]", "m8[s]", "O"])
def test_an_example_of_any_dtype_is_described(dtype: str) -> None:
    value = {"?": True, "U": "a", "S": "a", "O": "a", "M8[ns]": "2024-05-31"}.get(dtype, 1)
    signature = Signature(tensors=(TensorSpec("x", np.dtype(dtype).str, (-1,)),))
    model = deployed(signature, request={"inputs": {"x": [value]}}, predictions=[1])
    infer = described(model)["paths"]["/v2/models/m/infer"]["post"]["requestBody"]["content"]["application/json"]
    assert ("examples" in infer) == (dtype not in ("f2", "c8", "m8[s]"))  # which are other tensors in JSON
    if "examples" in infer:
        (tensor,) = infer["examples"]["m"]["value"]["inputs"]
        bound = BodyReading(orjson.dumps({"inputs": [tensor]}), None, "", 1000).bind(signature)
        assert bound.value == bind(payload.parse({"inputs": {"x": [value]}}), signature).value


def test_an_example_that_does_not_fit_the_signature_is_no_tensors() -> None:
    model = deployed(columns("double"), request={"inputs": [{"c0": "a"}]}, predictions=[1])
    infer = described(model)["paths"]["/v2/models/m/infer"]["post"]["requestBody"]["content"]["application/json"]
    assert "examples" not in infer


def test_a_model_that_streams_says_so() -> None:
    def answered(streams: bool) -> list[str]:
        model = described(deployed(columns("string"), streams=streams))["paths"]["/predict"]["post"]
        return list(model["responses"]["200"]["content"])

    assert set(answered(True)) - set(answered(False)) == {"text/event-stream", "application/x-ndjson"}


def test_the_page_opens_at_the_first_models_example_from_files_of_the_server_itself() -> None:
    page = bytes(docs.page(described(deployed(columns("double"), "a")), "/below").body).decode()
    assert '"#/a/predict_a"' in page
    assert "'/below/openapi.json'" in page
    assert "://" not in page
    assert "location.hash" not in bytes(docs.page(described(), "").body).decode()


def predicting(found: Any) -> list[Any]:
    """The operations that ask a model."""
    return [
        one["post"] for path, one in found["paths"].items() if path.endswith(("/predict", "/invocations", "/infer"))
    ]


def test_every_operation_that_predicts_says_how_long_its_caller_may_wait_and_when_to_come_again() -> None:
    operations = predicting(described(deployed(columns("double"))))
    assert len(operations) == 6
    for one in operations:
        assert [it["name"] for it in one["parameters"] if it["in"] == "header"] == ["X-Request-Timeout"]
        again = {code for code, told in one["responses"].items() if "Retry-After" in told.get("headers", {})}
        assert (again, "504" in one["responses"]) == ({"429", "503"}, True)
        assert "keep the request waiting for longer than it may" in one["responses"]["429"]["description"]


@pytest.mark.parametrize(
    "header",
    ["1", "1.5", "007", "0.05", "999999999", "", "soon", "0", "0.0", "-1", "+1", "1e3", "nan", "1,5", "9" * 10],
)
def test_a_timeout_is_taken_exactly_where_its_schema_allows_it(header: str) -> None:
    def taken() -> bool:
        try:
            return timeout_seconds(header) > 0
        except MalformedRequest:
            return False

    schema = predicting(described(deployed(columns("double"))))[0]["parameters"][0]["schema"]
    assert validator({"components": {"schemas": {"Timeout": schema}}}, "Timeout").is_valid(header) == taken()


def test_what_is_told_of_releases_and_of_readiness_is_described() -> None:
    schemas = described()["components"]["schemas"]
    model: Any = SimpleNamespace(pool=SimpleNamespace(alive=0, workers=[{"state": "dead"}], why="killed by SIGKILL"))
    rollout: Any = SimpleNamespace(models={}, desired=None, live=None, held=None, failure=None)
    assert set(schemas["Models"]["required"]) == set(describe.models(rollout))
    rollout.models = {"m": model}
    told = describe.readiness(rollout, cast(Any, SimpleNamespace(ready=False, stopping=False)))
    assert set(schemas["Readiness"]["properties"]) == set(told)
    alone = describe.readiness_alone(cast(Any, SimpleNamespace(ready=False, stopping=False)))
    assert set(schemas["Readiness"]["required"]) == set(alone)
    assert set(schemas["ModelReadiness"]["required"]) == set(told["models"]["m"])
    assert told["models"]["m"]["reason"] == "model 'm' has no worker that can answer: dead (killed by SIGKILL)"
