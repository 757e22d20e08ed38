"""Payloads of column signatures → one buffer a column, in the signature's order and dtypes. Pure.

Each column is checked against its spec and cast once, here; nothing is bent on the way. `alike` says whether
MLflow's own reading of the same payload is the same: then a frame made here is the one MLflow would make.
"""

import base64
from collections.abc import Sequence
from typing import Any

import numpy as np
import orjson

from serve.child.wire import BASE64, JSON, Part, Value
from serve.errors import InvalidInputs
from serve.signature import dates, nested, table, tensors
from serve.signature.flaws import Flaws, Hopeless
from serve.signature.payload import Payload, json_word
from serve.signature.spec import SCALARS, Column, Signature, words
from serve.signature.table import Name, Table


def bind(payload: Payload, signature: Signature) -> tuple[Value, bool]:
    """A frame value holding exactly the signature's columns; and whether MLflow would read just the same."""
    read = table.read(payload, signature)
    specs = _matched(read, signature)
    flaws = Flaws()
    with np.errstate(over="raise"):  # once for all columns: to enter it takes longer than to cast a few numbers
        parts = [_part(spec, name, read, flaws) for spec, name in specs]
    flaws.refuse()
    if not parts:
        raise InvalidInputs(f"{payload.form} holds none of the model's columns and {read.rows} rows", payload.form)
    bound = [one for one in parts if one is not None]
    return Value("frame", tuple(bound)), _alike(read, [spec for spec, _ in specs], bound)


def _matched(read: Table, signature: Signature) -> list[tuple[Column, Name]]:
    """The signature's columns that the table has, each with its name there; by position where it names none."""
    specs = signature.columns
    if not signature.named:
        if len(read.data) != len(specs):
            told = f"{read.form} must have {len(specs)} columns, for the model's have no names, not {len(read.data)}"
            raise (Hopeless if len(read.data) < len(specs) else InvalidInputs)(told, read.form)
        return list(zip(specs, read.data, strict=True))
    names = [spec.name for spec in specs]
    missing = [spec.name for spec in specs if spec.required and spec.name not in read.data]
    if missing:
        raise Hopeless(f"{read.form} lacks {_listed(missing)}", read.form)
    extra = [name for name in read.data if name not in names]
    if extra:
        raise InvalidInputs(f"the model does not take {_listed(extra)}; see its signature at /models", read.form)
    return [(spec, spec.name) for spec in specs if spec.name in read.data]


def _listed(names: Sequence[Name]) -> str:
    shown = ", ".join(f"'{name}'" for name in names[:5])
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return f"the column{'s' if len(names) > 1 else ''} {shown}{more}"


def part(spec: Column, name: Name, read: Table, flaws: Flaws) -> Part | None:
    """One column's buffer; None where it has flaws, which are noted."""
    with np.errstate(over="raise"):
        return _part(spec, name, read, flaws)


def _part(spec: Column, name: Name, read: Table, flaws: Flaws) -> Part | None:
    """The same, where numpy raises what goes beyond a dtype."""
    if isinstance(spec.type, str):
        return _column(spec, name, read, flaws) if _checked(spec, spec.type, name, read, flaws) else None
    for at, cell in enumerate(read.data[name]):
        nested.check(cell, spec.type, read.place(name, at), flaws, required=spec.required)
    return json_part(name, read.data[name])


def _column(spec: Column, name: Name, read: Table, flaws: Flaws) -> Part | None:
    """A column of scalars of the right kind, cast; None where a value is out of range."""
    data, type_ = read.data[name], str(spec.type)
    dtype = SCALARS[type_]
    if type_ == "binary":
        return json_part(name, data, BASE64) if _all_base64(name, read, flaws) else None
    if dtype is None or (type_ == "boolean" and None in data):
        return json_part(name, data)
    try:
        is_date = type_ == "datetime"
        array = dates.parse(data, lambda at: read.place(name, at)) if is_date else np.array(data, dtype=dtype)
    except (OverflowError, FloatingPointError):
        at = _first_beyond(data, dtype)
        flaws.add(read.place(name, at), f"is a number outside the range of {type_}")
        return None
    return Part(name, dtype, array.shape, array.view(np.uint8).data)  # type: ignore[arg-type]


def _first_beyond(data: Sequence[Any], dtype: str) -> int:
    """The place of the first number that the dtype can't hold."""
    if dtype.startswith("<i"):
        info = np.iinfo(dtype)
        return next(at for at, one in enumerate(data) if one is not None and not info.min <= one <= info.max)
    most = float(np.finfo(dtype).max)
    return next(at for at, one in enumerate(data) if one is not None and abs(one) > most)


def _checked(spec: Column, type_: str, name: Name, read: Table, flaws: Flaws) -> bool:
    """Whether every value is of a JSON kind that this type takes; those that are not are noted."""
    takes, nullable = _ITEMS[type_], _nullable(spec, type_)
    data = read.data[name]
    kinds = set(map(type, data))
    if kinds <= (takes | {type(None)} if nullable else takes):
        return True

    for at, item in enumerate(data):
        if flaws.full:
            break
        if type(item) not in takes and not (item is None and nullable):
            told = f"is {json_word(item)}; the model takes {_takes(spec, nullable)} there"
            flaws.add(read.place(name, at), told, hopeless=_hopeless(item, type_, read.form))
    return False


def _nullable(spec: Column, type_: str) -> bool:
    """Null is NaN among floats; no integer column can hold one, in MLflow or here."""
    return type_ in ("float", "double", "string") or (not spec.required and type_ not in ("integer", "long"))


def _hopeless(value: Any, type_: str, form: str) -> bool:
    """Whether MLflow, which casts whole columns with pandas, can't make a value of this type of it either."""
    if type_ == "binary":  # which MLflow decodes in frames, and takes as it is elsewhere
        return form.startswith("dataframe")
    if type_ in ("boolean", "string", "datetime"):
        return False
    if type_ in ("float", "double") and value == []:  # which is NaN in the numpy array that MLflow makes on the way
        return form.startswith("dataframe")
    return value is None or isinstance(value, list | dict) or (isinstance(value, str) and tensors.is_word(value))


def _all_base64(name: Name, read: Table, flaws: Flaws) -> bool:
    wrong = [at for at, item in enumerate(read.data[name]) if not _is_base64(item)]
    for at in wrong[: InvalidInputs.MOST_FLAWS]:
        flaws.add(read.place(name, at), "is no base64, as binary values are written")
    return not wrong


def base64_text(data: bytes) -> str:
    """Bytes as they are written in JSON."""
    return base64.b64encode(data).decode()


def _is_base64(item: str | None) -> bool:
    try:
        base64.b64decode(item or "", validate=True)
    except ValueError:
        return False
    return True


_ITEMS: dict[str, set[type]] = {
    "boolean": {bool},
    "integer": {int},
    "long": {int},
    "float": {float, int},
    "double": {float, int},
    "string": {str},
    "binary": {str},
    "datetime": {str},
}


def _takes(spec: Column, nullable: bool) -> str:
    return f"{words(spec.type)}{' or null' if nullable and not spec.required else ''}"


def json_part(name: Name, data: Sequence[Any], dtype: str = JSON) -> Part:
    """A column of any JSON values."""
    return Part(name, dtype, (len(data),), orjson.dumps(list(data)))  # type: ignore[arg-type]


# Where MLflow reads a column just as it is read here, by layout. In other layouts it makes other dtypes of the
# same values on the way (int64 of integers, undecoded base64, objects of numpy's strings).
_FRAME = frozenset({"boolean", "integer", "long", "float", "double", "string", "datetime", "binary"})
_ARRAYS = frozenset({"boolean", "integer", "long", "float", "double", "string"})
_SCALARS = frozenset({"boolean", "long", "double"})
_MOST_EXACT = 2.0**53


def _alike(read: Table, specs: Sequence[Column], parts: Sequence[Part]) -> bool:
    """Whether MLflow makes the very same frame of this table."""
    if not read.plain or any(spec.name is None for spec in specs):
        return False
    if read.form.startswith("dataframe"):
        types = _FRAME
    else:
        types = _SCALARS if (read.form, read.layout) == ("inputs", "rows") else _ARRAYS
    return all(
        spec.type in types and _same(spec, part, read.data[spec.name], types)
        for spec, part in zip(specs, parts, strict=True)
    )


def _same(spec: Column, part: Part, data: Sequence[Any], types: frozenset[str]) -> bool:
    if spec.type == "float":  # by way of other dtypes, a large integer would be rounded twice
        array = np.frombuffer(part.data, dtype=part.dtype)
        return not bool((np.abs(array) > _MOST_EXACT).any())
    if spec.type == "string" and types is _ARRAYS:  # numpy's strings know no null and end at a NUL
        return None not in data and not any("\0" in item for item in data)
    if spec.type == "datetime":
        return dates.uniform(data)
    return spec.type in ("double", "string") or None not in data
