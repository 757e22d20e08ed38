"""The kinds of cases, by name; each is tested by itself, so that none crowds out another."""

import json

from hypothesis import strategies as st

from tests.differential import documents, models, mutations, signatures
from tests.differential.payloads import Case, cases
from tests.differential.signatures import Signed
from tests.differential.values import fitting


@st.composite
def hinted(draw: st.DrawFn) -> Case:
    """A hint, and a body for it."""
    which = draw(st.integers(0, len(models.HINTS) - 1))
    value = draw(fitting(models.HINTS[which][1]))
    form = draw(st.sampled_from(("inputs", "inputs", "inputs", "inputs", "instances", "messages", "dataframe_split")))
    return Case(Signed(hint=which), json.dumps(draw(mutations.bent({form: value}))).encode())


PLAIN = signatures.named_columns() | signatures.tensors(named=False) | st.just(signatures.NOTHING)

FAMILIES: dict[str, st.SearchStrategy[Case]] = {
    "columns": cases(signatures.named_columns()),
    "nested columns": cases(signatures.named_columns(signatures.NESTED, 2)),
    "mixed columns": cases(signatures.named_columns(signatures.types(2))),
    "unnamed columns": cases(signatures.unnamed_columns()),
    "unnamed nested columns": cases(signatures.unnamed_columns(signatures.NESTED)),
    "one tensor": cases(signatures.tensors(named=False)),
    "named tensors": cases(signatures.tensors(named=True)),
    "no signature": cases(st.just(signatures.NOTHING)),
    "params": cases(signatures.params()),
    "type hints": hinted(),
    "csv": documents.csvs(signatures.named_columns() | signatures.unnamed_columns() | st.just(signatures.NOTHING)),
    "parquet": documents.parquets(signatures.named_columns() | signatures.unnamed_columns()),
    "envelopes": documents.envelopes(PLAIN),
}
