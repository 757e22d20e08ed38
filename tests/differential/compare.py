"""Sends a case both ways and says how the answers differ, if they do, and whether that is explained."""

import json
from collections import Counter
from dataclasses import dataclass, field

from tests.differential import explained, models, oracle, pinion
from tests.differential.oracle import Verdict
from tests.differential.payloads import Case
from tests.differential.pinion import Outcome


@dataclass(frozen=True, slots=True)
class Comparison:
    """How one case went both ways. `differences` are ids of explained ones; '' stands for one that is not."""

    case: Case
    mlflow: Verdict
    ours: Outcome
    differences: tuple[str, ...]

    def __str__(self) -> str:
        case = self.case
        sides = (("MLflow", self.mlflow), (f"Pinion, {self.ours.lane}", self.ours.verdict))
        told = [f"{name}: {side.predictions if side.accepted else 'refused: ' + side.reason}" for name, side in sides]
        signature = f"inputs {json.dumps(case.signed.inputs)}", f"params {json.dumps(case.signed.params)}"
        return "\n  ".join(("MLflow and Pinion differ", *signature, f"{case.content_type} {case.body!r}", *told))


@dataclass
class Tally:
    """How many cases went which way; a comparison that is not explained is not let in."""

    lanes: Counter[str] = field(default_factory=Counter)
    explained: Counter[str] = field(default_factory=Counter)
    distinct: set[tuple[str, bytes, str]] = field(default_factory=set)

    def add(self, found: Comparison) -> None:
        assert "" not in found.differences, str(found)
        self.lanes[found.ours.lane] += 1
        self.explained.update(set(found.differences))
        self.distinct.add((repr(found.case.signed), found.case.body, found.case.content_type))

    @property
    def total(self) -> int:
        return sum(self.lanes.values())

    def __str__(self) -> str:
        shares = ", ".join(f"{self.lanes[lane] / self.total:.0%} {lane}" for lane in pinion.LANES if self.lanes[lane])
        told = ", ".join(f"{name} {count}" for name, count in self.explained.most_common()) or "none"
        return f"{self.total} cases, {len(self.distinct)} distinct: {shares}; explained differences: {told}\n"


def compared(case: Case, probe: str = "whole") -> Comparison:
    """The case sent to MLflow and to Pinion, both serving this probe."""
    pyfunc = models.pyfunc(case.signed.recorded, case.signed.hint, probe)
    known = pinion.signature(pyfunc.metadata.to_dict())
    mlflow = oracle.ask(pyfunc, case.body, case.content_type)
    return judged(case, mlflow, pinion.ask(pyfunc, known, case.body, case.content_type))


def judged(case: Case, mlflow: Verdict, ours: Outcome) -> Comparison:
    """How the two differ. To answer 500 where MLflow never asked the model is a difference too."""
    if mlflow.accepted and ours.verdict.accepted:
        differences = tuple(explained.places(mlflow.predictions, ours.verdict.predictions))
    elif mlflow.accepted != ours.verdict.accepted or (ours.lane == pinion.FAILED and not mlflow.reached):
        differences = (explained.verdict(case, mlflow, ours),)
    else:
        differences = ()
    return Comparison(case, mlflow, ours, differences)
