"""What Pinion accepts, casts, refuses and predicts equals MLflow's own enforcement, but for what is explained."""

import re
import sys
from pathlib import Path

import pytest
from hypothesis import settings

from tests.differential import explained
from tests.differential.compare import Tally, compared
from tests.differential.families import FAMILIES
from tests.differential.runs import LONG, SHORT, run

CASES = 200  # of each family
ECHOED = ("columns", "mixed columns", "unnamed columns", "one tensor", "named tensors", "no signature", "csv")
PAGE = Path(__file__).parents[2] / "docs" / "mlflow-differences.md"


@pytest.mark.parametrize("family", FAMILIES)
def test_pinion_takes_and_refuses_what_mlflow_does_and_gives_the_model_the_same(family: str) -> None:
    _family(family, CASES, SHORT)


@pytest.mark.parametrize("family", ECHOED)
def test_an_answer_is_written_as_mlflow_writes_it(family: str) -> None:
    _family(family, CASES // 4, SHORT, "echo")


@pytest.mark.e2e
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("family", FAMILIES)
def test_pinion_agrees_with_mlflow_whatever_comes(family: str) -> None:
    _family(family, 20 * CASES, LONG)


@pytest.mark.e2e
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("family", ECHOED)
def test_an_answer_is_written_as_mlflow_writes_it_whatever_comes(family: str) -> None:
    _family(family, 5 * CASES, LONG, "echo")


def test_more_than_two_thousand_cases_are_tried() -> None:
    assert len(FAMILIES) * CASES >= 2000


def test_the_page_tells_every_explained_difference_and_no_other() -> None:
    assert re.findall(r"^### `([a-z0-9-]+)`$", PAGE.read_text(), re.MULTILINE) == [
        *explained.PLACES,
        *explained.VERDICTS,
    ]


def _family(family: str, cases: int, how: settings, probe: str = "whole") -> None:
    tally = Tally()
    run(FAMILIES[family], cases, how, lambda case: tally.add(compared(case, probe)))
    sys.stdout.write(f"{family}: {tally}")
    assert tally.total >= cases
