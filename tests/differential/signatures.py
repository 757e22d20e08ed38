"""Hypothesis strategies: every kind of signature MLflow can record, as plain data in the form of an `MLmodel` file."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from tests.differential.values import GOOD_DATES, fitting

SCALARS = ("boolean", "integer", "long", "float", "double", "string", "binary", "datetime")
JSON_SCALARS = ("boolean", "long", "double", "string")  # those of which MLflow takes a nested value as JSON has it
DTYPES = (
    *("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
    *(
        "float16",
        "float32",
        "float64",
        "complex64",
        "complex128",
        "str",
        "bytes",
        "object",
        "datetime64",
        "datetime64[ns]",
        "timedelta64",
        "timedelta64[s]",
    ),
)
COMMON_DTYPES = ("float32", "float64", "int32", "int64", "uint8", "bool", "str")
PARAM_TYPES = ("boolean", "integer", "long", "float", "double", "string", "datetime", "object")
NAMES = ("a", "b", "mean radius", "é", "0", "c.d", "messages", "prompt", "input")

Spec = dict[str, Any]  # one entry of a schema


@dataclass(frozen=True, slots=True)
class Signed:
    """A model's signature; none without inputs and params. `hint` is a place in `models.HINTS`, if it is from there."""

    inputs: tuple[Spec, ...] = ()
    params: tuple[Spec, ...] = ()
    hint: int | None = None

    @property
    def tensors(self) -> bool:
        return bool(self.inputs) and self.inputs[0]["type"] == "tensor"

    @property
    def names(self) -> list[str | None]:
        return [spec.get("name") for spec in self.inputs]

    @property
    def recorded(self) -> dict[str, Any]:
        """As MLflow writes it into `MLmodel`, but for a hint's."""
        inputs = json.dumps(self.inputs) if self.inputs else None
        params = json.dumps(self.params) if self.params else None
        return {"signature": {"inputs": inputs, "outputs": None, "params": params}} if inputs or params else {}


def types(depth: int, of: Sequence[str] = SCALARS) -> st.SearchStrategy[Spec]:
    """A column's type, nested at most `depth` deep."""
    scalars = st.sampled_from(of).map(lambda name: {"type": name})
    if depth == 0:
        return scalars | st.just({"type": "any"})
    inner = types(depth - 1, of)
    fields = st.dictionaries(st.sampled_from(NAMES[:5]), st.tuples(inner, st.booleans()), min_size=1, max_size=3)
    return st.one_of(
        scalars,
        st.just({"type": "any"}),
        inner.map(lambda items: {"type": "array", "items": items}),
        inner.map(lambda values: {"type": "map", "values": values}),
        fields.map(lambda found: {"type": "object", "properties": {key: _field(*of) for key, of in found.items()}}),
    )


def _field(kind: Spec, required: bool) -> Spec:
    return {**kind, "required": required}


NESTED = types(3).filter(lambda kind: kind["type"] not in SCALARS)
FLAT = st.sampled_from(SCALARS).map(lambda name: {"type": name})


@st.composite
def named_columns(draw: st.DrawFn, kinds: st.SearchStrategy[Spec] = FLAT, most: int = 4) -> Signed:
    names = draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=most, unique=True))
    return Signed(tuple({**draw(kinds), "name": name, "required": draw(_mostly())} for name in names))


@st.composite
def unnamed_columns(draw: st.DrawFn, kinds: st.SearchStrategy[Spec] = FLAT) -> Signed:
    found = draw(st.lists(kinds, min_size=1, max_size=3))
    return Signed(tuple({**kind, "required": True} for kind in found))


@st.composite
def tensors(draw: st.DrawFn, named: bool) -> Signed:
    names = draw(st.lists(st.sampled_from(NAMES[:6]), min_size=1, max_size=3, unique=True)) if named else [None]
    return Signed(tuple({**draw(_tensor()), **({"name": name} if named else {})} for name in names))


@st.composite
def _tensor(draw: st.DrawFn) -> Spec:
    rank = draw(st.sampled_from((0, 1, 1, 2, 2, 2, 3, 4)))
    shape = [draw(st.sampled_from((-1, -1, 1, 2, 3 if rank < 3 else 2))) for _ in range(rank)]
    if rank and draw(_mostly()):
        shape[0] = -1
    dtype = draw(st.sampled_from(DTYPES) | st.sampled_from(COMMON_DTYPES))
    return {"type": "tensor", "tensor-spec": {"dtype": dtype, "shape": shape}}


@st.composite
def params(draw: st.DrawFn) -> Signed:
    """One or two plain inputs, and params of every type, with defaults, scalar and in lists, and objects."""
    inputs = draw(st.sampled_from((Signed(), PLAIN, ARRAY)))
    names = draw(st.lists(st.sampled_from(NAMES[:6]), min_size=1, max_size=3, unique=True))
    return Signed(inputs.inputs, tuple(draw(_param(name)) for name in names))


@st.composite
def _param(draw: st.DrawFn, name: str) -> Spec:
    kind = draw(st.sampled_from(PARAM_TYPES))
    if kind == "object":
        nested = draw(types(2, JSON_SCALARS).filter(lambda found: found["type"] == "object"))
        return {"name": name, **nested, "default": draw(fitting(nested, exact=True)), "shape": None}
    default = draw(st.sampled_from(GOOD_DATES[:3]) if kind == "datetime" else fitting({"type": kind}, exact=True))
    if draw(st.booleans()):
        return {"name": name, "type": kind, "default": [default], "shape": [-1]}
    none = kind != "datetime" and not draw(_mostly())  # MLflow itself can't write a date's default that is null
    return {"name": name, "type": kind, "default": None if none else default, "shape": None}


def _mostly() -> st.SearchStrategy[bool]:
    return st.sampled_from((True, True, True, False))


PLAIN = Signed(({"type": "double", "name": "a", "required": True}, {"type": "string", "name": "b", "required": False}))
ARRAY = Signed(({"type": "tensor", "tensor-spec": {"dtype": "float32", "shape": [-1, 2]}},))
NOTHING = Signed()
