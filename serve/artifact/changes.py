"""What changes from one release to another: packages, Python, signature, metrics, golden answers. Pure.

Two pins say which models are added, removed, changed or kept, and their metrics. What more there is to say of a model
comes from its small files, as a `Snapshot`; where these are not at hand it is left out, and `unknown` says why.

A change is breaking where a request that was taken before may be refused after it, or where an answer may lack what was
in it, or have it in another type. `/predict` refuses what a signature does not name: so an input or a param that is
gone breaks who sends it, as a new one does which must be there. A type that becomes another one counts as breaking,
though some values are both.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from serve.artifact.answers import difference
from serve.artifact.pin import Pin, PinnedModel
from serve.artifact.snapshot import Golden, Snapshot
from serve.signature.spec import AnyType, Column, Param, Signature, TensorSpec, words

ADDED, REMOVED, CHANGED, KEPT = "added", "removed", "changed", "kept"
_MOST_ANSWERS = 20


@dataclass(frozen=True, slots=True)
class Package:
    """A package that is added (`before` is None), removed (`after` is None), or of another version."""

    name: str
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric of a model before and after; None where it has none of that name."""

    name: str
    before: float | None
    after: float | None


@dataclass(frozen=True, slots=True)
class Field:
    """A change of the signature: what (`inputs`, `outputs`, `params`), whose, from and to; '' where it is not there."""

    place: str
    name: str
    before: str
    after: str
    breaking: bool


@dataclass(frozen=True, slots=True)
class Answers:
    """Golden requests before and after, how many are the same, and which answers to these differ, and how."""

    before: int
    after: int
    shared: int
    differ: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Facts:
    """What the small files of a model say has changed. `python` is before and after, alike where it is the same."""

    python: tuple[str, str]
    packages: tuple[Package, ...]
    signature: tuple[Field, ...]
    golden: Answers


@dataclass(frozen=True, slots=True)
class Model:
    """One model of either release, of which it is `change`; digest and run are before and after, '' where it is not."""

    name: str
    change: str
    digest: tuple[str, str]
    run: tuple[str, str]
    metrics: tuple[Metric, ...]
    facts: Facts | None = None

    @property
    def breaking(self) -> bool:
        """Whether callers of this model may have to change."""
        return self.change == REMOVED or (self.facts is not None and any(one.breaking for one in self.facts.signature))


@dataclass(frozen=True, slots=True)
class Changes:
    """All models of both releases, by name. `unknown` says why the small files of some are not at hand, else ''."""

    models: tuple[Model, ...]
    unknown: str = ""

    @property
    def breaking(self) -> bool:
        return any(one.breaking for one in self.models)

    def told(self) -> dict[str, Any]:
        """As JSON."""
        models = {one.name: {**asdict(one), "breaking": one.breaking} for one in self.models}
        return {"models": models, "breaking": self.breaking, "unknown": self.unknown}


def between(before: Pin | None, after: Pin | None, snapshots: Mapping[str, Snapshot], unknown: str = "") -> Changes:
    """What changes from `before` to `after`; `snapshots` are those at hand, by digest."""
    old, new = _by_name(before), _by_name(after)
    names = sorted(old.keys() | new.keys())
    return Changes(tuple(_model(name, old.get(name), new.get(name), snapshots) for name in names), unknown)


def wanted(before: Pin | None, after: Pin | None) -> tuple[PinnedModel, ...]:
    """The models whose small files say what changes: both of each that is in both, and is not the same."""
    old, new = _by_name(before), _by_name(after)
    changed = [name for name in sorted(old.keys() & new.keys()) if old[name].digest != new[name].digest]
    return tuple(one for name in changed for one in (old[name], new[name]))


def _by_name(pin: Pin | None) -> Mapping[str, PinnedModel]:
    return {model.name: model for model in pin.models} if pin is not None else {}


def _model(
    name: str, before: PinnedModel | None, after: PinnedModel | None, snapshots: Mapping[str, Snapshot]
) -> Model:
    digest = (before.digest if before else "", after.digest if after else "")
    run = (before.run if before else "", after.run if after else "")
    found = tuple(_metrics(before.metrics if before else {}, after.metrics if after else {}))
    change = ADDED if before is None else REMOVED if after is None else KEPT if digest[0] == digest[1] else CHANGED
    facts = None
    if change == CHANGED and digest[0] in snapshots and digest[1] in snapshots:
        facts = _facts(snapshots[digest[0]], snapshots[digest[1]])
    return Model(name, change, digest, run, found, facts)


def _metrics(before: Mapping[str, float], after: Mapping[str, float]) -> Iterator[Metric]:
    for name in sorted(before.keys() | after.keys()):
        yield Metric(name, before.get(name), after.get(name))


def _facts(before: Snapshot, after: Snapshot) -> Facts:
    return Facts(
        (before.recipe.python, after.recipe.python),
        tuple(_packages(before.recipe.requirements, after.recipe.requirements)),
        tuple(signature(before.signature, after.signature)),
        golden(before.golden, after.golden),
    )


def _packages(before: Sequence[str], after: Sequence[str]) -> Iterator[Package]:
    old, new = _versions(before), _versions(after)
    for name in sorted(old.keys() | new.keys()):
        if old.get(name) != new.get(name):
            yield Package(name, old.get(name), new.get(name))


def _versions(lines: Sequence[str]) -> Mapping[str, str]:
    """The version of each package, by its normalized name; of one that is listed for several machines, all of them."""
    found: dict[str, str] = {}
    for line in lines:
        try:
            requirement = Requirement(line)
        except InvalidRequirement:  # none that was read from a snapshot is
            continue
        version = str(requirement.specifier).removeprefix("==")
        name = canonicalize_name(requirement.name)
        found[name] = f"{found[name]}, {version}" if found.get(name, version) != version else version
    return found


def signature(before: Signature, after: Signature) -> Iterator[Field]:
    """What changes of a signature, in its own order: inputs, outputs, params."""
    yield from _fields("inputs", _named(before.columns or before.tensors), _named(after.columns or after.tensors))
    yield from _fields("outputs", _named(before.outputs), _named(after.outputs))
    yield from _fields("params", {one.name: one for one in before.params}, {one.name: one for one in after.params})


_Spec = Column | TensorSpec | Param


def _named(specs: Sequence[_Spec]) -> Mapping[str, _Spec]:
    return {str(at) if spec.name is None else spec.name: spec for at, spec in enumerate(specs)}


def _fields(place: str, before: Mapping[str, _Spec], after: Mapping[str, _Spec]) -> Iterator[Field]:
    for name in [*before, *(name for name in after if name not in before)]:
        old, new = before.get(name), after.get(name)
        if old != new:
            breaks = _breaks(place, old, new, anything=place == "inputs" and not after)
            yield Field(place, name, _told(old), _told(new), breaks)


def _breaks(place: str, before: _Spec | None, after: _Spec | None, anything: bool) -> bool:
    """Whether callers may notice; where the model takes `anything`, no input breaks it."""
    if before is None:
        return place == "inputs" and not (isinstance(after, Column) and not after.required)
    if after is None:
        return not anything
    if place == "outputs":
        return not _fits(after, before)
    return not _fits(before, after)


def _fits(value: _Spec, taken: _Spec) -> bool:
    """Whether whatever is a `value` is `taken`."""
    if isinstance(value, TensorSpec) and isinstance(taken, TensorSpec):
        shapes = zip(value.shape, taken.shape, strict=False)
        fits = len(value.shape) == len(taken.shape) and all(most in (-1, size) for size, most in shapes)
        return value.dtype == taken.dtype and fits
    if isinstance(value, Column) and isinstance(taken, Column):
        return _same_type(value, taken) and (value.required or not taken.required)
    if isinstance(value, Param) and isinstance(taken, Param):
        return _same_type(value, taken) and value.shape == taken.shape
    return False


def _same_type(value: Column | Param, taken: Column | Param) -> bool:
    return value.type == taken.type or isinstance(taken.type, AnyType)


def _told(spec: _Spec | None) -> str:
    """As in 'double', 'double, may be missing', '<f4 [-1, 8, 8]' or 'double = 0.5'."""
    if spec is None:
        return ""
    if isinstance(spec, TensorSpec):
        return f"{spec.dtype} {list(spec.shape)}"
    if isinstance(spec, Column):
        return words(spec.type) + ("" if spec.required else ", may be missing")
    listed = words(spec.type) if spec.shape is None else f"Array({words(spec.type)})"
    return f"{listed} = {spec.default!r}"[:120]


def golden(before: Golden, after: Golden) -> Answers:
    """The golden answers of two models, of which the later must agree with the earlier within its tolerance."""
    new = [(case["request"], case["predictions"]) for case in after.cases]
    shared, told = 0, list[str]()
    for at, case in enumerate(before.cases):
        found = next((predictions for request, predictions in new if request == case["request"]), _NONE)
        if found is _NONE:
            continue
        shared += 1
        differs = difference(case["predictions"], found, before)
        if differs is not None and len(told) < _MOST_ANSWERS:
            told.append(f"request {at}: {differs}")
    return Answers(len(before.cases), len(after.cases), shared, tuple(told))


_NONE = object()
