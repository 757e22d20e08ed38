"""What changes from one release to another, and which of it breaks callers."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from serve.artifact import changes
from serve.artifact.changes import Answers, Changes, Field, Metric, Package
from serve.artifact.pin import Pin, PinnedModel
from serve.artifact.snapshot import Golden, Promotion, Recipe, Snapshot
from serve.signature.spec import AnyType, ArrayType, Column, Param, Signature, TensorSpec

X, Y = Column("x", "double", True), Column("y", "double", True)


def snapshot(
    digest: str,
    *packages: str,
    python: str = "3.11.7",
    signature: Signature | None = None,
    golden: Mapping[Any, Any] | None = None,
) -> Snapshot:
    cases = tuple({"request": {"inputs": [asked]}, "predictions": got} for asked, got in (golden or {}).items())
    recipe, promotion = Recipe(python, packages), Promotion("run", {}, True, {})
    return Snapshot("m", digest, Path(), signature or Signature(), recipe, promotion, Golden(cases, 0.0, 0.01))


def pin(**models: PinnedModel | str) -> Pin:
    found = {name: one if isinstance(one, PinnedModel) else PinnedModel(name, one) for name, one in models.items()}
    return Pin("0" * 32 + ".dir", 1, 1, tuple(found.values()))


def between(before: Snapshot, after: Snapshot) -> changes.Facts:
    both = {one.digest: one for one in (before, after)}
    (model,) = changes.between(pin(m=before.digest), pin(m=after.digest), both).models
    assert model.facts is not None
    return model.facts


def test_each_model_is_added_removed_changed_or_kept() -> None:
    found = changes.between(pin(a="1", b="2", c="3"), pin(b="2", c="4", d="5"), {})
    assert {one.name: (one.change, one.digest) for one in found.models} == {
        "a": ("removed", ("1", "")),
        "b": ("kept", ("2", "2")),
        "c": ("changed", ("3", "4")),
        "d": ("added", ("", "5")),
    }


def test_a_model_that_is_gone_breaks_its_callers_and_a_new_one_nobody() -> None:
    assert changes.between(pin(a="1", b="2"), pin(a="1"), {}).breaking
    assert not changes.between(pin(a="1"), pin(a="1", b="2"), {}).breaking
    assert not changes.between(None, pin(a="1"), {}).breaking


def test_metrics_stand_side_by_side() -> None:
    before = PinnedModel("m", "1", "r1", {"accuracy": 0.9, "loss": 0.2})
    after = PinnedModel("m", "2", "r2", {"accuracy": 0.95, "auc": 0.5})
    (model,) = changes.between(pin(m=before), pin(m=after), {}).models
    assert model.run == ("r1", "r2")
    assert model.metrics == (Metric("accuracy", 0.9, 0.95), Metric("auc", None, 0.5), Metric("loss", 0.2, None))


def test_packages_are_compared_by_their_normalized_names() -> None:
    before = snapshot("1", "Torch==2.1", "scikit_learn==1.5", "gone==1", 'a==1; sys_platform == "linux"')
    after = snapshot("2", "torch==2.2", "scikit-learn==1.5", "new[x]==3", "a==1", python="3.12.1")
    found = between(before, after)
    assert found.packages == (Package("gone", "1", None), Package("new", None, "3"), Package("torch", "2.1", "2.2"))
    assert found.python == ("3.11.7", "3.12.1")


def test_a_package_that_is_listed_for_several_machines_has_all_its_versions() -> None:
    lines = ('torch==2.1; sys_platform == "linux"', 'torch==2.0; sys_platform == "darwin"')
    assert between(snapshot("1", *lines), snapshot("2", lines[0])).packages == (Package("torch", "2.1, 2.0", "2.1"),)


BREAKING: dict[str, tuple[Signature, Signature, list[Field]]] = {
    "a new input that must be there": (
        Signature(columns=(X,)),
        Signature(columns=(X, Y)),
        [Field("inputs", "y", "", "double", True)],
    ),
    "an input that is gone": (
        Signature(columns=(X, Y)),
        Signature(columns=(X,)),
        [Field("inputs", "y", "double", "", True)],
    ),
    "an input of another type": (
        Signature(columns=(X,)),
        Signature(columns=(Column("x", "float", True),)),
        [Field("inputs", "x", "double", "float", True)],
    ),
    "an input that must be there now": (
        Signature(columns=(Column("x", "double", False),)),
        Signature(columns=(X,)),
        [Field("inputs", "x", "double, may be missing", "double", True)],
    ),
    "a tensor of another dtype": (
        Signature(tensors=(TensorSpec(None, "<f4", (-1, 2)),)),
        Signature(tensors=(TensorSpec(None, "<f8", (-1, 2)),)),
        [Field("inputs", "0", "<f4 [-1, 2]", "<f8 [-1, 2]", True)],
    ),
    "a tensor of another shape": (
        Signature(tensors=(TensorSpec("t", "<f4", (-1, -1)),)),
        Signature(tensors=(TensorSpec("t", "<f4", (-1, 2)),)),
        [Field("inputs", "t", "<f4 [-1, -1]", "<f4 [-1, 2]", True)],
    ),
    "columns in place of a tensor": (
        Signature(tensors=(TensorSpec("x", "<f8", (-1,)),)),
        Signature(columns=(X,)),
        [Field("inputs", "x", "<f8 [-1]", "double", True)],
    ),
    "an output that is gone": (
        Signature(outputs=(X, Y)),
        Signature(outputs=(X,)),
        [Field("outputs", "y", "double", "", True)],
    ),
    "an output of another type": (
        Signature(outputs=(X,)),
        Signature(outputs=(Column("x", ArrayType("double"), True),)),
        [Field("outputs", "x", "double", "Array(double)", True)],
    ),
    "an output that may be missing now": (
        Signature(outputs=(X,)),
        Signature(outputs=(Column("x", "double", False),)),
        [Field("outputs", "x", "double", "double, may be missing", True)],
    ),
    "a param that is gone": (
        Signature(params=(Param("p", "double", 0.5, None),)),
        Signature(),
        [Field("params", "p", "double = 0.5", "", True)],
    ),
    "a param that is a list now": (
        Signature(params=(Param("p", "double", 0.5, None),)),
        Signature(params=(Param("p", "double", [0.5], (-1,)),)),
        [Field("params", "p", "double = 0.5", "Array(double) = [0.5]", True)],
    ),
    "a signature where there was none": (
        Signature(),
        Signature(columns=(X,)),
        [Field("inputs", "x", "", "double", True)],
    ),
}
HARMLESS: dict[str, tuple[Signature, Signature, list[Field]]] = {
    "nothing": (Signature(columns=(X,), outputs=(Y,)), Signature(columns=(X,), outputs=(Y,)), []),
    "a new input that may be missing": (
        Signature(columns=(X,)),
        Signature(columns=(X, Column("y", "double", False))),
        [Field("inputs", "y", "", "double, may be missing", False)],
    ),
    "an input that may be missing now": (
        Signature(columns=(X,)),
        Signature(columns=(Column("x", "double", False),)),
        [Field("inputs", "x", "double", "double, may be missing", False)],
    ),
    "an input that may be anything now": (
        Signature(columns=(X,)),
        Signature(columns=(Column("x", AnyType(), True),)),
        [Field("inputs", "x", "double", "Any", False)],
    ),
    "a tensor of any length now": (
        Signature(tensors=(TensorSpec(None, "<f4", (-1, 2)),)),
        Signature(tensors=(TensorSpec(None, "<f4", (-1, -1)),)),
        [Field("inputs", "0", "<f4 [-1, 2]", "<f4 [-1, -1]", False)],
    ),
    "a signature that says nothing now": (
        Signature(columns=(X,)),
        Signature(),
        [Field("inputs", "x", "double", "", False)],
    ),
    "a new output": (Signature(outputs=(X,)), Signature(outputs=(X, Y)), [Field("outputs", "y", "", "double", False)]),
    "an output that is always there now": (
        Signature(outputs=(Column("x", "double", False),)),
        Signature(outputs=(X,)),
        [Field("outputs", "x", "double, may be missing", "double", False)],
    ),
    "a new param": (
        Signature(),
        Signature(params=(Param("p", "long", 1, None),)),
        [Field("params", "p", "", "long = 1", False)],
    ),
    "another default of a param": (
        Signature(params=(Param("p", "long", 1, None),)),
        Signature(params=(Param("p", "long", 2, None),)),
        [Field("params", "p", "long = 1", "long = 2", False)],
    ),
}


@pytest.mark.parametrize(("before", "after", "told"), BREAKING.values(), ids=BREAKING)
def test_what_breaks_callers_is_marked(before: Signature, after: Signature, told: list[Field]) -> None:
    assert list(changes.signature(before, after)) == told
    both = {"1": snapshot("1", signature=before), "2": snapshot("2", signature=after)}
    assert changes.between(pin(m="1"), pin(m="2"), both).breaking


@pytest.mark.parametrize(("before", "after", "told"), HARMLESS.values(), ids=HARMLESS)
def test_what_breaks_nobody_is_told_without_a_mark(before: Signature, after: Signature, told: list[Field]) -> None:
    assert list(changes.signature(before, after)) == told
    both = {"1": snapshot("1", signature=before), "2": snapshot("2", signature=after)}
    assert not changes.between(pin(m="1"), pin(m="2"), both).breaking


def test_golden_answers_are_compared_where_the_request_is_the_same() -> None:
    before, after = (
        snapshot("1", golden={1: [0.5], 2: [1.0], 3: [2.0]}),
        snapshot("2", golden={1: [0.505], 2: [9.0], 4: [0]}),
    )
    assert between(before, after).golden == Answers(
        3, 3, 2, ("request 1: predictions[0] was 1.0 at promotion and is 9.0 now",)
    )


def test_without_the_small_files_there_are_no_facts_and_it_says_why() -> None:
    found = changes.between(pin(m="1"), pin(m="2"), {"1": snapshot("1")}, "the remote is gone")
    assert (found.models[0].facts, found.unknown, found.breaking) == (None, "the remote is gone", False)


def test_only_models_that_changed_are_wanted_both_of_each() -> None:
    before, after = pin(a="1", b="2", c="3"), pin(b="2", c="4", d="5")
    assert [one.digest for one in changes.wanted(before, after)] == ["3", "4"]
    assert changes.wanted(None, after) == ()


def test_what_is_told_is_plain_json() -> None:
    both = {"1": snapshot("1", "a==1", golden={1: [0]}), "2": snapshot("2", "a==2", signature=Signature(columns=(X,)))}
    told = json.loads(json.dumps(changes.between(pin(m="1"), pin(m="2"), both).told()))
    assert (told["breaking"], told["models"]["m"]["breaking"]) == (True, True)
    assert told["models"]["m"]["facts"]["packages"] == [{"name": "a", "before": "1", "after": "2"}]
    assert Changes(()).told() == {"models": {}, "breaking": False, "unknown": ""}
