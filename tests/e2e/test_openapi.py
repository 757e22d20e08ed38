"""A client generated from /openapi.json, and the page /docs in a browser, against this repository's own models."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from openapi_spec_validator import validate

from tests.e2e import browser
from tests.e2e.server import Server

ROOT = Path(__file__).parents[2]
GENERATOR = ROOT / ".venv-clients" / "bin" / "openapi-python-client"

USES_THE_CLIENT = """
import sys

from pinion_client import Client
from pinion_client.api.digits import predict_digits, v2_infer_digits, v2_model_digits
from pinion_client.api.release import models
from pinion_client.api.tumours import invocations_tumours, predict_tumours
from pinion_client.models import (
    DigitsInputsRequest, DigitsResponse, InferenceRequest, InferenceResponse, ModelMetadata, Models, Problem,
    RequestInput, RequestInputDatatype, TumoursDataframeRecordsRequest, TumoursParams, TumoursResponse, TumoursRow,
)

client = Client(base_url=sys.argv[1])
image: list[list[float | None]] = [[0.0] * 8 for _ in range(8)]

answer = predict_digits.sync(client=client, body=DigitsInputsRequest(inputs=[image, image]))
assert isinstance(answer, DigitsResponse), answer
scores: list[list[float | None]] = answer.predictions
assert [len(row) for row in scores] == [10, 10]

refused = predict_digits.sync(client=client, body=DigitsInputsRequest(inputs=[[[0.5]]]))
assert isinstance(refused, Problem), refused
assert (refused.status, refused.code) == (422, "invalid_inputs")
assert refused.errors and refused.errors[0].place == "inputs"

served = models.sync(client=client)
assert isinstance(served, Models)
columns = [str(column.name) for column in served.models["tumours"].signature.inputs]
row = TumoursRow.from_dict({name: 1.0 for name in columns})
strict = TumoursDataframeRecordsRequest(dataframe_records=[row], params=TumoursParams(threshold=1.0))
found = predict_tumours.sync(client=client, body=strict)
assert isinstance(found, TumoursResponse), found
label: str | None = found.predictions[0].label
probability: float | None = found.predictions[0].probability
assert label in ("benign", "malignant") and probability is not None
as_mlflow = invocations_tumours.sync(client=client, body=strict)
assert isinstance(as_mlflow, TumoursResponse) and as_mlflow.predictions[0].probability == probability

described = v2_model_digits.sync(client=client)
assert isinstance(described, ModelMetadata), described
tensor = RequestInput(
    name=described.inputs[0].name, shape=[1, 8, 8], datatype=RequestInputDatatype.FP32,
    data=[number for line in image for number in line],
)
inferred = v2_infer_digits.sync(client=client, body=InferenceRequest(inputs=[tensor]))
assert isinstance(inferred, InferenceResponse), inferred
assert [round(number, 5) for number in inferred.outputs[0].data] == [round(number or 0, 5) for number in scores[0]]
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, state: Path) -> Iterator[Server]:
    """A clone of this repository, served: digits and tumours in one release."""
    clone = tmp_path_factory.mktemp("own") / "clone"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
    with Server(clone, state) as one:
        one.wait("release live", seconds=280)  # its environment is made first
        yield one


@pytest.fixture(scope="module")
def client(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a client generated from what the server says of itself."""
    if not GENERATOR.exists():
        pytest.skip("openapi-python-client is not installed: see requirements/clients.txt")
    folder = tmp_path_factory.mktemp("client")
    (folder / "openapi.json").write_text(server.get("/openapi.json").text)
    (folder / "use.py").write_text(USES_THE_CLIENT)
    generate = [GENERATOR, "generate", "--path", "openapi.json", "--meta", "none", "--output-path", "pinion_client"]
    done = subprocess.run(generate, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_the_document_is_valid_openapi(server: Server) -> None:
    validate(server.get("/openapi.json").json())


def test_a_generated_client_is_typed(client: Path) -> None:
    (client / "pinion_client" / "py.typed").touch()
    check = ["mypy", "--strict", "--follow-imports=silent", "--cache-dir", os.devnull, "use.py"]
    done = subprocess.run([sys.executable, "-m", *check], cwd=client, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_a_generated_client_predicts_with_both_models(client: Path, server: Server) -> None:
    done = subprocess.run([sys.executable, "use.py", server.url], cwd=client, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(not browser.INSTALLED, reason="chromium and chromium-driver are not installed")
def test_one_click_on_the_page_sends_the_models_own_example(server: Server) -> None:
    document = server.get("/openapi.json").json()
    content = document["paths"]["/models/digits/predict"]["post"]["requestBody"]["content"]["application/json"]
    with browser.browser() as page:
        page.open(f"{server.url}/docs")
        assert json.loads(page.value(".body-param__text")) == content["examples"]["digits"]["value"]
        page.click("button.execute")
        assert page.text(".live-responses-table tbody .response-col_status") == "200"
        assert '"predictions"' in page.text(".live-responses-table tbody .highlight-code")
        assert page.errors() == []
