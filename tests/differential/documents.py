"""Hypothesis strategies: bodies that are no JSON of ours at all, and content types: CSV, Parquet, broken envelopes."""

import csv
import io
import json
from typing import Any

import pandas as pd
from hypothesis import strategies as st

from tests.differential.payloads import Case, bodies, rarely, table
from tests.differential.signatures import Signed
from tests.differential.values import DATES, NUMBERS, TEXTS

CSV, PARQUET, JSON = "text/csv", "application/vnd.apache.parquet", "application/json"

CONTENT_TYPES = (
    *("application/json; charset=utf-8", "application/json;charset=UTF-8", "application/json ; charset = utf-8"),
    *("application/json; charset=latin-1", "application/json; format=pandas-split", "application/json;", "text/plain"),
    *("APPLICATION/JSON", "application/json; charset", "text/csv; charset=utf-8", "", "application/json, text/csv"),
    *('application/json; charset="utf-8"', "application/json; charset=utf-8; charset=utf-16", "multipart/form-data"),
)


@st.composite
def envelopes(draw: st.DrawFn, signatures: st.SearchStrategy[Signed]) -> Case:
    """A good body in an odd wrapping: its content type, or its bytes."""
    signed = draw(signatures)
    body = draw(bodies(signed))
    if draw(st.booleans()):
        return Case(signed, json.dumps(body).encode(), draw(st.sampled_from(CONTENT_TYPES)))
    return Case(signed, draw(_bytes(body)), JSON)


@st.composite
def _bytes(draw: st.DrawFn, body: dict[str, Any]) -> bytes:
    text = json.dumps(body)
    other = draw(
        st.sampled_from(("inputs", "instances", "dataframe_records", "predictions", "signature_name", "params"))
    )
    return draw(
        st.sampled_from(
            (
                *(
                    text[:-1].encode(),
                    text.encode() + b"}",
                    b"",
                    b" ",
                    b"null",
                    b"[]",
                    b"3",
                    b"\xff",
                    b'{"inputs": \xc3}',
                ),
                *(
                    json.dumps([body]).encode(),
                    json.dumps(text).encode(),
                    text.encode() + b"\n\n",
                    b"\t" + text.encode(),
                ),
                *(json.dumps({**body, other: [1]}).encode(), json.dumps({other: [[1]], **body}).encode()),
                *(text.replace("1", "+1").encode(), text.replace('"', "'").encode(), (text[:-1] + ",}").encode()),
            )
        )
    )


@st.composite
def csvs(draw: st.DrawFn, signatures: st.SearchStrategy[Signed]) -> Case:
    """A CSV that nearly fits."""
    signed = draw(signatures)
    names, rows = draw(table(signed))
    names = [str(at if name is None else name) for at, name in enumerate(names)]
    if draw(rarely()):
        names, rows = [*names, "extra"], [[*row, 1] for row in rows]
    if draw(rarely()) and names:
        row, at = draw(st.integers(0, len(rows) - 1)), draw(st.integers(0, len(names) - 1))
        rows[row][at] = draw(st.sampled_from((*TEXTS, *DATES, *NUMBERS)))
    text = io.StringIO()
    csv.writer(text, lineterminator=draw(st.sampled_from(("\n", "\r\n")))).writerows([names, *rows])
    return Case(signed, draw(_spoiled(text.getvalue().encode())), CSV)


@st.composite
def parquets(draw: st.DrawFn, signatures: st.SearchStrategy[Signed]) -> Case:
    """A Parquet file of the columns, in the dtypes that pandas finds, or in those of the signature."""
    signed = draw(signatures)
    names, rows = draw(table(signed, exact=True))
    frame = pd.DataFrame(rows, columns=[str(at if name is None else name) for at, name in enumerate(names)])
    for at, spec in enumerate(signed.inputs):
        dtype = draw(st.sampled_from((_PANDAS[spec["type"]], None)))
        if (
            dtype
            and at < len(names)
            and frame.columns[at] == str(spec.get("name", at))
            and not frame.iloc[:, at].hasnans
        ):
            frame = frame.astype({frame.columns[at]: dtype}) if dtype != "bytes" else frame
    if draw(rarely()):
        frame["extra"] = 1.5
    if draw(rarely()):
        frame.index = pd.Index([f"row {at}" for at in range(len(frame))], name=draw(st.sampled_from((None, "id"))))
    written = io.BytesIO()
    frame.to_parquet(written)
    return Case(signed, draw(_spoiled(written.getvalue())), PARQUET)


_PANDAS = {
    "boolean": "bool",
    "integer": "int32",
    "long": "int64",
    "float": "float32",
    "double": "float64",
    "string": None,
    "binary": None,
    "datetime": "datetime64[ns]",
}


def _spoiled(body: bytes) -> st.SearchStrategy[bytes]:
    broken = (
        body[: len(body) // 2],
        body + b"\xff,\xfe",
        b"",
        b"PAR1",
        body.replace(b"\n", b"\n\n"),
        body.replace(b",", b";"),
    )
    return st.one_of(st.just(body), st.just(body), st.just(body), st.sampled_from(broken))
