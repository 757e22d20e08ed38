"""Signatures, and bodies that fit them or nearly: what readers of bodies are compared by."""

from typing import Any

from hypothesis import strategies as st

from serve.signature.spec import Column, Param, Signature, TensorSpec

PARAMS = (Param("threshold", "double", 0.5, None), Param("ids", "long", [1], (-1,)))

# What replaces a few bytes of a body, to see who notices.
DAMAGE = (
    b"",
    b"[",
    b"]",
    b"{",
    b"}",
    b",",
    b":",
    b'"',
    b"0",
    b"-",
    b".",
    b"1e9",
    b"[],",
    b"[1]",
    b"null",
    b"true",
    b" x",
)
DAMAGE += (b"NaN", b"\xff", b"\xc3\xa9", b"\0", b"\\u005b", b"\\", b"\n", b'"inputs":[1],', b'"params":{},')

_PLAIN = st.integers(-3, 3) | st.floats(-100, 100)
_LARGE = st.sampled_from(
    [2**31, -(2**31) - 1, 2**53, 2**53 + 1, -(2**53) - 2, 2**63, 2**64 - 1, 10**25, -0.0, 1e-46, 3.5e38]
)
_ODD = st.sampled_from([None, True, "1", "[", [], {}, [1], {"a": [1]}, float("nan"), float("inf")])
_CELLS = st.sampled_from(
    [_PLAIN, *[st.integers(-3, 3)] * 3, st.integers() | st.floats(), _LARGE | _PLAIN, _ODD | _PLAIN]
)

_NAMES = st.sampled_from(["a", "b", "[", "a]", "\u00e9", "", "\\", '"'])
_TYPES = st.sampled_from(["float", "double", "integer", "long"])
_COLUMNS = st.lists(st.builds(Column, _NAMES, _TYPES, st.booleans()), min_size=1, max_size=3)
_DTYPES = st.sampled_from(["<f4", "<f8", "<i4", "<i8"] * 3 + ["<i2", "|u1", "|b1", "<f2"])
_SHAPES = st.sampled_from([(-1,), (-1, 2), (-1, -1), (-1, 2, 2), (-1, -1, 1), (-1, 0), (2,), ()])
_TENSORS = st.builds(TensorSpec, st.sampled_from([None, None, None, "a"]), _DTYPES, _SHAPES)
_BESIDE = st.sampled_from([{}] * 20 + [{"params": {}}, {"params": None}, {"x": [1]}, {"input": 1}, {"inputs": 1}])


@st.composite
def asked(draw: st.DrawFn) -> tuple[Signature, Any]:
    """A signature and a body for it, in which a cell, a row, a name or a key may be another."""
    params = draw(st.sampled_from([(), PARAMS]))
    if draw(st.booleans()):
        signature = Signature(tensors=(draw(_TENSORS),), params=params)
    else:
        columns = draw(_COLUMNS)
        alike = [Column(column.name, columns[0].type, column.required) for column in columns]
        signature = Signature(columns=tuple(draw(st.sampled_from([alike, alike, columns]))), params=params)
    return signature, _document(draw, signature)


def _document(draw: st.DrawFn, signature: Signature) -> Any:
    names = [column.name for column in signature.columns]
    form = "inputs" if signature.tensors else "dataframe_split"
    if _rarely(draw):
        form = draw(st.sampled_from(["inputs", "instances", "dataframe_split", "dataframe_records"]))
    data = _rows(draw, signature.tensors[0].shape[1:] if signature.tensors else (len(names),))
    if _rarely(draw):
        names = draw(st.permutations(names))
    return {form: {"columns": names, "data": data} if form == "dataframe_split" else data, **draw(_BESIDE)}


def _rows(draw: st.DrawFn, inner: tuple[int, ...]) -> list[Any]:
    """Rows of the inner shape, whose last may have another."""
    cells, rows = draw(_CELLS), draw(st.sampled_from([1, 2, 3, 1, 2, 3, 0]))
    some = draw(st.integers(1, 3))
    data = [_nested(draw, cells, [size if size >= 0 else some for size in inner]) for _ in range(rows)]
    if rows and _rarely(draw):
        data[-1] = _nested(draw, cells, draw(st.lists(st.integers(0, 2), max_size=3)))
    return data


def _nested(draw: st.DrawFn, cells: st.SearchStrategy[Any], shape: list[int]) -> Any:
    return [_nested(draw, cells, shape[1:]) for _ in range(shape[0])] if shape else draw(cells)


def _rarely(draw: st.DrawFn) -> bool:
    return draw(st.integers(0, 8)) == 8
