"""Several bodies for one model, such as a batch may hold: each one fits, and most are of one form."""

import json
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from tests.differential import signatures
from tests.differential.payloads import table, tensor
from tests.differential.signatures import Signed


@dataclass(frozen=True, slots=True)
class Batch:
    """Bodies of requests that wait at the same time for one model."""

    signed: Signed
    bodies: tuple[bytes, ...]


SIGNATURES = st.one_of(
    signatures.named_columns(),
    signatures.named_columns(signatures.types(1)),
    signatures.unnamed_columns(),
    signatures.tensors(named=False),
    signatures.tensors(named=True),
    st.just(signatures.NOTHING),
)


@st.composite
def batches(draw: st.DrawFn) -> Batch:
    signed = draw(SIGNATURES)
    form = draw(st.sampled_from(("inputs", "inputs", "instances", "dataframe_split", "dataframe_records")))
    count = draw(st.integers(2, 4))
    return Batch(signed, tuple(json.dumps({form: draw(_data(signed, form))}).encode() for _ in range(count)))


@st.composite
def _data(draw: st.DrawFn, signed: Signed, form: str) -> Any:
    if not signed.inputs:
        return draw(
            st.lists(st.lists(st.integers(0, 3) | st.floats(0, 1), min_size=2, max_size=2), min_size=1, max_size=3)
        )
    if signed.tensors:
        return draw(_tensors(signed, form))
    names, rows = draw(table(signed, exact=True))
    if form == "dataframe_split":
        return {"data": rows} if None in names else {"columns": names, "data": rows}
    if None in names:
        return [row[0] if len(row) == 1 else row for row in rows]
    if form == "inputs" and draw(st.booleans()):
        return {name: [row[at] for row in rows] for at, name in enumerate(names)}
    return [dict(zip(names, row, strict=True)) for row in rows]


@st.composite
def _tensors(draw: st.DrawFn, signed: Signed, form: str) -> Any:
    length = draw(st.integers(1, 3))
    data = {spec.get("name"): draw(tensor(spec, length, exact=True)) for spec in signed.inputs}
    if None in data:
        return data[None]
    columns = [cells if isinstance(cells, list) else [cells] for cells in data.values()]
    return data if form == "inputs" else [dict(zip(data, row, strict=True)) for row in zip(*columns, strict=False)]
