"""Hypothesis strategies: a signature → request bodies that fit it, then bent in one or two places."""

import json
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from tests.differential import mutations
from tests.differential.signatures import Signed, Spec
from tests.differential.values import ODD, fitting, items

JSON = "application/json"
Rows = list[list[Any]]


@dataclass(frozen=True, slots=True)
class Case:
    """One request to a model of this signature."""

    signed: Signed
    body: bytes
    content_type: str = JSON


@st.composite
def bodies(draw: st.DrawFn, signed: Signed) -> dict[str, Any]:
    """A JSON body whose data mostly fit the signature: every form, and its params."""
    if signed.tensors:
        body = draw(_tensor_body(signed))
    elif signed.inputs:
        body = draw(_column_body(signed))
    else:
        body = draw(_free_body())
    return {**body, **draw(_params(signed))}


@st.composite
def cases(draw: st.DrawFn, signatures: st.SearchStrategy[Signed]) -> Case:
    """A signature, and a JSON body for it that may be bent."""
    signed = draw(signatures)
    body = draw(mutations.bent(draw(bodies(signed))))
    return Case(signed, json.dumps(body, ensure_ascii=draw(st.booleans())).encode())


@st.composite
def _params(draw: st.DrawFn, signed: Signed) -> dict[str, Any]:
    if not signed.params:
        return {"params": draw(st.sampled_from((None, {}, {"a": 1}, [], 3)))} if draw(rarely()) else {}
    given = {spec["name"]: draw(_param(spec)) for spec in signed.params if draw(st.sampled_from((True, True, False)))}
    return {"params": given} if given or draw(st.booleans()) else {}


def _param(spec: Spec) -> st.SearchStrategy[Any]:
    one = fitting(spec)
    return st.one_of(one if spec["shape"] is None else st.lists(one, max_size=2), one, ODD)


# --- columns


@st.composite
def _column_body(draw: st.DrawFn, signed: Signed) -> dict[str, Any]:
    names, rows = draw(table(signed))
    forms = [_split, _records, _by_column, _by_row, _instances]
    if len(signed.inputs) == 1:
        forms += [_plain]
    if signed.names[0] is None:
        forms = [_split, _split, _unnamed_records, _plain, _plain]
    else:
        forms += [_unified]
    return draw(draw(st.sampled_from(forms))(names, rows))


@st.composite
def table(draw: st.DrawFn, signed: Signed, exact: bool = False) -> tuple[list[str], Rows]:
    """Columns and rows that fit; optional columns may be absent, and a few cells are null."""
    there = [spec for spec in signed.inputs if spec["required"] or draw(st.sampled_from((True, True, False)))]
    count = draw(st.sampled_from((1, 1, 2, 2, 3, 4)))
    cells = [draw(_column(spec, count, exact)) for spec in there]
    return [spec.get("name") for spec in there], [list(row) for row in zip(*cells, strict=True)] or [[]]


@st.composite
def _column(draw: st.DrawFn, spec: Spec, count: int, exact: bool) -> list[Any]:
    cells = draw(st.lists(fitting(spec, exact), min_size=count, max_size=count))
    if draw(rarely()) and (not exact or not spec["required"]):
        cells[draw(st.integers(0, count - 1))] = None
    return cells


@st.composite
def _split(draw: st.DrawFn, names: list[str | None], rows: Rows) -> dict[str, Any]:
    order = draw(st.permutations(range(len(names)))) if draw(rarely()) else range(len(names))
    split: dict[str, Any] = {"data": [[row[at] for at in order] for row in rows]}
    if names and names[0] is not None and not draw(rarely()):
        split["columns"] = [names[at] for at in order]
    elif draw(rarely()):
        split["columns"] = draw(st.sampled_from((list(range(len(names))), [str(at) for at in range(len(names))], None)))
    if draw(rarely()):
        split["index"] = draw(
            st.sampled_from((list(range(len(rows))), list("abcd")[: len(rows)], [7] * len(rows), None))
        )
    return {"dataframe_split": split}


@st.composite
def _records(draw: st.DrawFn, names: list[str | None], rows: Rows, form: str = "dataframe_records") -> dict[str, Any]:
    records = [dict(zip(names, row, strict=True)) for row in rows]
    for record in records:
        if names and draw(rarely()):
            record.pop(draw(st.sampled_from(names)))
    return {form: records}


def _by_row(names: list[str | None], rows: Rows) -> st.SearchStrategy[dict[str, Any]]:
    return _records(names, rows, "inputs")


def _instances(names: list[str | None], rows: Rows) -> st.SearchStrategy[dict[str, Any]]:
    return _records(names, rows, "instances") | _by_column(names, rows, "instances")


def _unnamed_records(names: list[str | None], rows: Rows) -> st.SearchStrategy[dict[str, Any]]:
    numbered = [str(at) for at in range(len(names))]
    return st.sampled_from(("dataframe_records", "inputs")).flatmap(lambda form: _records(numbered, rows, form))


@st.composite
def _by_column(draw: st.DrawFn, names: list[str | None], rows: Rows, form: str = "inputs") -> dict[str, Any]:
    columns = {str(name): [row[at] for row in rows] for at, name in enumerate(names)}
    shape = draw(st.sampled_from(("lists", "lists", "scalars", "column vectors")))
    if shape == "scalars":
        return {form: {name: cells[0] for name, cells in columns.items()}}
    if shape == "column vectors":
        return {form: {name: [[cell] for cell in cells] for name, cells in columns.items()}}
    return {form: columns}


@st.composite
def _plain(draw: st.DrawFn, names: list[str | None], rows: Rows) -> dict[str, Any]:
    form = draw(st.sampled_from(("inputs", "instances")))
    column = [row[0] if len(row) == 1 else row for row in rows]
    shape = draw(st.sampled_from(("list", "list", "list", "scalar", "column vector")))
    if shape == "scalar":
        return {form: column[0]}
    return {form: [[cell] for cell in column] if shape == "column vector" else column}


@st.composite
def _unified(draw: st.DrawFn, names: list[str | None], rows: Rows) -> dict[str, Any]:
    """The form of chat and completion models: the columns themselves are the body."""
    body = {str(name): cell for name, cell in zip(names, rows[0], strict=True)}
    if not {"messages", "prompt", "input"} & body.keys():
        body[draw(st.sampled_from(("messages", "prompt", "input")))] = draw(ODD)
    return body


# --- tensors, and no signature


@st.composite
def _tensor_body(draw: st.DrawFn, signed: Signed) -> dict[str, Any]:
    length = draw(st.integers(1, 3))
    data = {spec.get("name"): draw(tensor(spec, length)) for spec in signed.inputs}
    first = next(iter(data.values()))
    forms = ["inputs", "inputs", "inputs", "instances", "frame"]
    form = draw(st.sampled_from(forms))
    if form == "frame":
        return draw(_tensor_frame(data))
    if None in data:
        return {form: first}
    if len(data) == 1 and draw(st.booleans()):
        return {form: first}
    if form == "instances" or draw(rarely()):
        return {form: _transposed(data)}
    return {form: data}


@st.composite
def tensor(draw: st.DrawFn, spec: Spec, length: int, exact: bool = False) -> Any:
    """Nested lists of the spec's shape; -1 is `length` in front and anything from 1 to 3 elsewhere."""
    dtype, shape = spec["tensor-spec"]["dtype"], spec["tensor-spec"]["shape"]
    sizes = [size if size != -1 else (length if not at else draw(st.integers(1, 2))) for at, size in enumerate(shape)]
    item = items(dtype, exact)
    for size in reversed(sizes):
        item = st.lists(item, min_size=size, max_size=size)
    return draw(item)


def _transposed(data: dict[str, Any]) -> list[dict[str, Any]]:
    columns = [cells if isinstance(cells, list) else [cells] for cells in data.values()]
    return [dict(zip(data, row, strict=False)) for row in zip(*columns, strict=False)]


@st.composite
def _tensor_frame(draw: st.DrawFn, data: dict[Any, Any]) -> dict[str, Any]:
    """The tensors as columns of a frame: a list a cell, or for one unnamed tensor a column each."""
    columns = [cells if isinstance(cells, list) else [cells] for cells in data.values()]
    rows: Rows = [list(row) for row in zip(*columns, strict=False)]
    names = [name if name is not None else 0 for name in data]
    if None in data and draw(st.booleans()) and all(isinstance(row[0], list) for row in rows):
        rows = [row[0] for row in rows]
        names = list(range(max(map(len, rows), default=0)))
    if draw(st.booleans()):
        return {"dataframe_split": {"columns": names, "data": rows} if draw(st.booleans()) else {"data": rows}}
    return {"dataframe_records": [dict(zip(map(str, names), row, strict=False)) for row in rows]}


@st.composite
def _free_body(draw: st.DrawFn) -> dict[str, Any]:
    """What a model without a signature is sent: anything, in any form."""
    anything = fitting({"type": "any"})
    numbers = st.lists(st.lists(st.integers(-3, 3) | st.floats(-2, 2), min_size=2, max_size=2), min_size=1, max_size=3)
    form = draw(st.sampled_from(("inputs", "instances", "dataframe_split", "dataframe_records", "unified")))
    if form == "unified":
        return {draw(st.sampled_from(("messages", "prompt", "input"))): draw(anything), "a": draw(anything)}
    if form == "dataframe_split":
        return {
            form: {
                "columns": ["a", "b"],
                "data": draw(st.lists(st.lists(anything, min_size=2, max_size=2), max_size=3)),
            }
        }
    if form == "dataframe_records":
        return {form: draw(st.lists(st.fixed_dictionaries({"a": anything}, optional={"b": anything}), max_size=3))}
    named = st.dictionaries(st.sampled_from(("a", "b")), st.one_of(anything, numbers), max_size=2)
    return {form: draw(st.one_of(numbers, anything, named, st.lists(named, max_size=2)))}


def rarely() -> st.SearchStrategy[bool]:
    return st.sampled_from((False, False, False, False, False, True))
