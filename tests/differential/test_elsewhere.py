"""The same with a model that runs elsewhere: under another Python, with other versions of MLflow, pandas and numpy."""

import asyncio
import base64
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from serve.artifact.lease import Leases
from serve.artifact.snapshot import Recipe
from serve.worker.environment import EnvironmentPolicy, interpreter
from serve.worker.process import CHILD
from tests.differential import compare, models, pinion
from tests.differential.compare import Tally
from tests.differential.families import FAMILIES
from tests.differential.oracle import Verdict
from tests.differential.payloads import Case
from tests.differential.pinion import Entry, Outcome
from tests.differential.runs import SHORT, run

CASES = 150  # of each family
ROOT = Path(__file__).parents[2]
RECIPE = Recipe("3.10.13", ("mlflow-skinny==2.22.1", "pandas==2.2.3", "numpy==1.26.4"))
ELSEWHERE = [family for family in FAMILIES if family != "parquet"]  # that MLflow has no reader of it


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter that the server would run such a model in."""
    return asyncio.run(interpreter(RECIPE, tmp_path_factory.mktemp("state"), EnvironmentPolicy.ISOLATED, 600, Leases()))


@pytest.mark.e2e
@pytest.mark.parametrize("family", ELSEWHERE)
def test_pinion_agrees_with_the_mlflow_of_the_models_own_environment(python: Path, family: str) -> None:
    cases: list[Case] = []
    run(FAMILIES[family], CASES, SHORT, cases.append)
    tally = Tally()
    for found in _elsewhere(python, cases):
        tally.add(found)
    sys.stdout.write(f"{family}: {tally}")


def _elsewhere(python: Path, cases: list[Case]) -> list[compare.Comparison]:
    """The cases read by the front here, and both answered there."""
    signatures = [pinion.signature(_pyfunc(case).metadata.to_dict()) for case in cases]
    taken = [
        pinion.taken_in(known, case.body, case.content_type) for known, case in zip(signatures, cases, strict=True)
    ]
    answers = _answers(python, [_line(case, one) for case, one in zip(cases, taken, strict=True)])
    found = []
    for case, known, one, answer in zip(cases, signatures, taken, answers, strict=True):
        if isinstance(one, Entry):
            [one] = pinion.told(known, [one], bytearray(base64.b64decode(answer["frame"])))
        found.append(compare.judged(case, Verdict(**answer["verdict"]), one))
    return found


def _pyfunc(case: Case) -> Any:
    return models.pyfunc(case.signed.recorded, case.signed.hint, "whole")


def _line(case: Case, taken: Entry | Outcome) -> str:
    frame = base64.b64encode(pinion.asking([taken])).decode() if isinstance(taken, Entry) else None
    body = base64.b64encode(case.body).decode()
    asked = {"recorded": case.signed.recorded, "hint": case.signed.hint, "content_type": case.content_type}
    return json.dumps({**asked, "body": body, "frame": frame})


def _answers(python: Path, lines: list[str]) -> list[dict[str, Any]]:
    done = subprocess.run(
        [python, "-W", "ignore", "-m", "tests.differential.elsewhere"],
        input="".join(f"{line}\n" for line in lines),
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join((str(ROOT), str(CHILD)))},
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]
