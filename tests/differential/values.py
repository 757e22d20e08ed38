"""Hypothesis strategies for JSON values: such as fit a type of MLflow's, and such as nearly do."""

import base64
import math
from typing import Any

from hypothesis import strategies as st

DATES = (
    *("2024-05-31", "2024-05-31T12:00:00", "2024-05-31 12:00:00.5", "2024-05-31T12:00:00.123456789", "2024-05-31T12"),
    *("2024-05-31T12:00:00Z", "2024-05-31T12:00:00+02:00", "2024-05-31T12:00:00.000001-0530", "1969-12-31T23:59:59"),
    *(
        "2024-02-30",
        "2024-13-01",
        "0001-01-01",
        "1677-09-21",
        "2262-04-12",
        "9999-12-31",
        "2024-05",
        "2024",
        "20240531",
    ),
    *("31/05/2024", "05/31/2024", "May 31, 2024", "12:00", "NaT", "1700000000", "2024-W22-5"),
)
GOOD_DATES = DATES[:4]
TEXTS = (
    "",
    "x",
    "é",
    "1",
    "1.5",
    "true",
    "None",
    "nan",
    "a\nb",
    "aGk=",
    "2024-05-31",
    "1+2j",
    "🎈",
    " ",
    "0x10",
    "1e3",
    "\u0000",
)
NUMBERS = (
    *(0, 1, -1, 2, 3, 7, 127, 128, 255, 256, 65504, 2**24 + 1, 2**31 - 1, 2**31, -(2**31), -(2**31) - 1),
    *(2**53 + 1, 2**63 - 1, 2**63, -(2**63), -(2**63) - 1, 2**64 - 1, 2**64, 10**25),
    *(math.nan, math.inf, -math.inf),  # no JSON, but what MLflow's own clients write
    *(0.0, 1.0, -0.0, 0.5, -2.5, 3.0, 1e-7, 0.1, 16777217.0, 1e10, 3.5e38, 1e300, 5e-324, 70000.0),
)
ODD: st.SearchStrategy[Any] = st.one_of(
    st.sampled_from((None, True, False)),
    st.sampled_from(NUMBERS),
    st.sampled_from(TEXTS),
    st.sampled_from(DATES),
    st.sampled_from(([], {}, [1], [[]], [None], ["x", 1], {"a": 1}, [[1.5, 2]], "!!", "aGk", "a=")).map(
        lambda item: item
    ),
)
_BYTES = st.binary(max_size=4).map(lambda data: base64.b64encode(data).decode())
_EXACT: dict[str, st.SearchStrategy[Any]] = {
    "boolean": st.booleans(),
    "integer": st.integers(-5, 5) | st.sampled_from((2**31 - 1, -(2**31))),
    "long": st.integers(-5, 5) | st.sampled_from((2**31, 2**53 + 1, 2**63 - 1, -(2**63))),
    "float": st.floats(width=32, allow_nan=False, allow_infinity=False),
    "double": st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from((0.1, -0.0, 1e300)),
    "string": st.sampled_from(TEXTS) | st.text(st.characters(codec="utf-8"), max_size=3),
    "binary": _BYTES,
    "datetime": st.sampled_from(GOOD_DATES),
}
_LOOSE: dict[str, st.SearchStrategy[Any]] = {
    **_EXACT,
    "float": _EXACT["float"] | st.integers(-1, 3) | st.sampled_from((math.nan, math.inf)),
    "double": _EXACT["double"] | st.integers(-1, 3) | st.sampled_from((math.nan, -math.inf)),
    "datetime": st.sampled_from(GOOD_DATES) | st.sampled_from(DATES),
}
_ANY = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.floats(-2, 2) | st.sampled_from(TEXTS),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(("a", "b")), inner, max_size=2),
    max_leaves=4,
)


def fitting(kind: dict[str, Any], exact: bool = False) -> st.SearchStrategy[Any]:
    """Values of a column's type; unless `exact`, with integers among floats, and with dates in any notation."""
    name = kind["type"]
    if name == "any":
        return _ANY
    if name == "array":
        return st.lists(fitting(kind["items"], exact), min_size=1 if exact else 0, max_size=3)
    if name == "map":
        return st.dictionaries(st.sampled_from(("a", "b", "é")), fitting(kind["values"], exact), max_size=2)
    if name == "object":
        return _objects(kind["properties"], exact)
    return (_EXACT if exact else _LOOSE)[name]


def _objects(properties: dict[str, Any], exact: bool) -> st.SearchStrategy[dict[str, Any]]:
    required = {key: fitting(kind, exact) for key, kind in properties.items() if kind["required"]}
    optional = {key: fitting(kind, exact) for key, kind in properties.items() if not kind["required"]}
    return st.fixed_dictionaries(required, optional=optional)


def items(dtype: str, exact: bool = False) -> st.SearchStrategy[Any]:
    """Items of a tensor of this numpy dtype."""
    if dtype.startswith("float"):
        whole = st.integers(-3, 3) if not exact else st.nothing()
        return (
            st.floats(width=int(dtype[5:]), allow_nan=False, allow_infinity=False)
            | whole
            | (st.nothing() if exact else st.just(math.nan))
        )
    if dtype.startswith(("int", "uint")):
        return st.integers(0, 100) | (st.nothing() if exact else st.sampled_from(NUMBERS[:24]))
    return _ITEMS[dtype]


_ITEMS: dict[str, st.SearchStrategy[Any]] = {
    "bool": st.booleans(),
    "complex64": st.floats(-2, 2) | st.sampled_from(("1+2j", 1)),
    "complex128": st.floats(-2, 2) | st.sampled_from(("1+2j", 1)),
    "str": _EXACT["string"],
    "bytes": st.sampled_from(TEXTS[:2] + TEXTS[3:7]),
    "object": _ANY | st.integers(0, 3),
    "datetime64": st.sampled_from(GOOD_DATES[:3]) | st.sampled_from(DATES),
    "datetime64[ns]": st.sampled_from(GOOD_DATES[:3]) | st.sampled_from(DATES),
    "timedelta64": st.integers(-9, 9) | st.sampled_from((1.5, "1", "P1D", True, 2**63)),
    "timedelta64[s]": st.integers(-9, 9) | st.sampled_from((1.5, "1", "P1D", True, 2**63)),
}
