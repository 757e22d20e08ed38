"""The kinds of cases, by name; each is tested by itself, so that none crowds out another."""

from hypothesis import strategies as st

from tests.differential import documents, models, signatures
from tests.differential.payloads import Case, cases

ANY_COLUMNS = signatures.named_columns() | signatures.named_columns(signatures.NESTED, 2) | signatures.unnamed_columns()
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
    "type hints": models.cases(),
    "csv": documents.csvs(signatures.named_columns() | signatures.unnamed_columns() | st.just(signatures.NOTHING)),
    "parquet": documents.parquets(signatures.named_columns() | signatures.unnamed_columns()),
    "envelopes": documents.envelopes(PLAIN),
}
