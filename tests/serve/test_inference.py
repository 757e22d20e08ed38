"""A request counts once, by what its caller saw: also where the model has answered and nobody can say so."""

import functools
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NoReturn

import pytest
from prometheus_client import CollectorRegistry

from serve.artifact.pin import Pin
from serve.artifact.snapshot import Golden, Promotion, Recipe, Snapshot
from serve.aside import Aside
from serve.errors import NotAcceptable
from serve.front.dialect import Call
from serve.front.formats.mlflow_json import JsonReading
from serve.front.schemas.predict import Predict
from serve.inference import Inference
from serve.loader import Deployed, Live
from serve.metrics import Metrics
from serve.request import InferenceRequest, InferenceResponse
from serve.rollout import Rollout, RolloutOptions
from serve.signature.spec import Signature
from tests.fakes import FakeLoader
from tests.serve.worker.crew import Crew, running

SNAPSHOT = Snapshot(
    "m", "sha256:0", Path(), Signature(), Recipe("3.11.7", ()), Promotion("run", {}, True, {}), Golden((), 0.0, 0.0)
)


class Counted:
    """An inference before a pool of fakes, and what it has counted."""

    def __init__(self, inference: Inference, metrics: Metrics) -> None:
        self.inference, self._metrics = inference, metrics

    @property
    def outcomes(self) -> dict[str, float]:
        """How many requests of the model ended how; those that none did are left out."""
        (family,) = self._metrics.requests.collect()
        return {one.labels["outcome"]: one.value for one in family.samples if one.labels["model"] == "m" and one.value}


@pytest.fixture
async def counted() -> AsyncIterator[Counted]:
    metrics, loader = Metrics(CollectorRegistry()), FakeLoader()
    rollout = Rollout(loader, RolloutOptions(1.0, 1.0, 1.0, 0.0, 3), metrics)  # type: ignore[arg-type]
    async with running(Crew()) as pool:
        lineage = (("x-model-name", "m"), ("x-model-revision", "abc"))
        rollout.live = Live(Pin("", 0, 0, ()), {"m": Deployed(SNAPSHOT, "abc", pool, "now", lineage)})
        aside = Aside(1, inline_bytes=1000)
        yield Counted(Inference(rollout, metrics, aside, None, max_rows=1000, timeout_seconds=30.0), metrics)
        await aside.close()


def request(body: bytes = b'{"inputs": [1.0, 2.0]}') -> InferenceRequest:
    return InferenceRequest(None, None, JsonReading(body), time.perf_counter())


NPY = functools.partial(Predict().encode, Call("/predict", {"accept": "application/x-npy"}, {}, b"", 0.0))


def broken(response: InferenceResponse) -> NoReturn:
    raise ZeroDivisionError


async def test_an_answer_counts_once_it_is_written(counted: Counted) -> None:
    response = await counted.inference.infer(request())
    assert counted.outcomes == {}
    assert (await counted.inference.written(request(), response, NPY)).status == 200
    assert counted.outcomes == {"ok": 1}


@pytest.mark.parametrize("texts", [1, 1000])
async def test_an_answer_that_has_no_such_form_counts_as_that_written_here_or_aside(
    counted: Counted, texts: int
) -> None:
    response = await counted.inference.infer(request(b'{"inputs": [%b]}' % b",".join([b'"a"'] * texts)))
    assert counted.inference.is_large(response) is (texts > 1)
    with pytest.raises(NotAcceptable):
        await counted.inference.written(request(), response, NPY)
    assert counted.outcomes == {"not_acceptable": 1}


async def test_a_fault_of_ours_as_an_answer_is_written_counts_as_one(counted: Counted) -> None:
    response = await counted.inference.infer(request())
    with pytest.raises(ZeroDivisionError):
        await counted.inference.written(request(), response, broken)
    assert counted.outcomes == {"internal_error": 1}
