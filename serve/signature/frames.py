"""Payloads of column signatures → one buffer a column, in the signature's order and dtypes. Pure.

`dataframe_split`, `dataframe_records`, and `inputs`/`instances` by column or by row all end as columns first;
then each column is checked against its spec. Where MLflow must check (nested types, no signature), columns pass
as JSON and MLflow refuses them in the worker.
"""

import base64
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import orjson

from serve.child.wire import BASE64, JSON, Part, Value
from serve.errors import InvalidInputs
from serve.signature import dates, tensors
from serve.signature.payload import Payload, json_word
from serve.signature.spec import SCALARS, Column, Signature

Columns = Mapping[Any, Sequence[Any]]  # by name; None for a column without one


def bind(payload: Payload, signature: Signature) -> Value:
    """A frame value holding exactly the signature's columns."""
    columns, rows = _columns(payload, signature)
    if not signature.checked_here:
        return Value("frame", tuple(_json_part(name, data) for name, data in columns.items()))
    _refuse_other_names(columns, signature.columns)
    parts = []
    for spec in signature.columns:
        if spec.name in columns:
            where = f"{payload.form}.{spec.name}" if spec.name is not None else payload.form
            parts.append(_part(spec, columns[spec.name], where))
    if not parts:
        raise InvalidInputs(f"{payload.form} holds none of the model's columns and {rows} rows")
    return Value("frame", tuple(parts))


def _refuse_other_names(columns: Columns, specs: Sequence[Column]) -> None:
    names = [spec.name for spec in specs]
    missing = [spec.name for spec in specs if spec.required and spec.name not in columns]
    if missing:
        raise InvalidInputs(f"missing {_listed(missing)}")
    extra = [name for name in columns if name not in names]
    if extra:
        raise InvalidInputs(f"the model does not take {_listed(extra)}; see its signature at /models")


def _listed(names: Sequence[str | None]) -> str:
    shown = ", ".join(f"'{name}'" for name in names[:5])
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return f"the column{'s' if len(names) > 1 else ''} {shown}{more}"


def _columns(payload: Payload, signature: Signature) -> tuple[Columns, int]:
    """The payload's data by column, and its number of rows."""
    form, value = payload.form, payload.value
    if form == "dataframe_split":
        return _from_split(value, signature)
    if isinstance(value, dict) and form == "inputs":
        return _from_columns(value, form)
    if isinstance(value, list) and value and all(isinstance(row, dict) for row in value):
        return _from_records(value, form, signature)
    if form != "dataframe_records" and isinstance(value, list) and len(signature.columns) == 1:
        return {signature.columns[0].name: value}, len(value)
    takes = "a list of objects" if form != "inputs" else "an object of columns or a list of objects"
    raise InvalidInputs(f"{form} must be {takes}, not {'an empty list' if value == [] else json_word(value)}")


def _from_split(value: Any, signature: Signature) -> tuple[Columns, int]:
    if not isinstance(value, dict) or not isinstance(value.get("data"), list):
        raise InvalidInputs("dataframe_split must be an object with data (a list of rows) and columns")
    unknown = [key for key in value if key not in ("columns", "data", "index")]
    if unknown:
        raise InvalidInputs(f"dataframe_split has no key '{unknown[0]}'; it has columns, data and index")
    rows = value["data"]
    names = value.get("columns")
    if names is None:
        names = [column.name for column in signature.columns]
        names = names or list(range(len(rows[0]) if rows and isinstance(rows[0], list) else 0))
    if not _are_names(names):
        raise InvalidInputs("dataframe_split.columns must be a list of different names")
    for at, row in enumerate(rows):
        if not isinstance(row, list) or len(row) != len(names):
            has = f"{len(row)} values" if isinstance(row, list) else json_word(row)
            raise InvalidInputs(f"dataframe_split.data[{at}] must be a list of {len(names)} values, not {has}")
    return {name: [row[at] for row in rows] for at, name in enumerate(names)}, len(rows)


def _are_names(names: Any) -> bool:
    """Names are strings, and whole numbers where a frame never got any; None stands for one without."""
    fits = isinstance(names, list) and all(name is None or type(name) in (str, int) for name in names)
    return fits and len(set(map(str, names))) == len(names)


def _from_columns(value: dict[str, Any], form: str) -> tuple[Columns, int]:
    columns: Columns = {name: data if isinstance(data, list) else [data] for name, data in value.items()}
    lengths = {name: len(data) for name, data in columns.items()}
    if len(set(lengths.values())) > 1:
        told = ", ".join(f"'{name}' {length}" for name, length in list(lengths.items())[:5])
        raise InvalidInputs(f"the columns in {form} must have equal lengths, and have: {told}")
    return columns, next(iter(lengths.values()), 0)


def _from_records(rows: list[dict[str, Any]], form: str, signature: Signature) -> tuple[Columns, int]:
    """Rows may leave out optional columns: what some rows lack is null there."""
    names = dict.fromkeys(name for row in rows for name in row)
    required = [column.name for column in signature.columns if column.required and column.name in names]
    for at, row in enumerate(rows):
        missing = [name for name in required if name not in row]
        if missing:
            raise InvalidInputs(f"{form}[{at}] lacks {_listed(missing)}, which other rows have")
    return {name: [row.get(name) for row in rows] for name in names}, len(rows)


def _part(spec: Column, data: Sequence[Any], where: str) -> Part:
    dtype = SCALARS[spec.type]
    nulls = any(item is None for item in data)
    if nulls and spec.required and spec.type not in ("float", "double", "string"):
        raise InvalidInputs(f"{_at(where, data, lambda item: item is not None)} is null; {_takes(spec)}")
    _check_items(spec, data, where)
    if spec.type == "binary":
        _check_base64(data, where)
        return _json_part(spec.name, data, BASE64)
    if dtype is None or (nulls and spec.type in ("boolean", "integer", "long")):
        return _json_part(spec.name, data)
    array = dates.parse(data, where) if spec.type == "datetime" else _array(data, dtype, spec, where)
    return Part(spec.name, array.dtype.str, array.shape, tensors.raw(array))


def _array(data: Sequence[Any], dtype: str, spec: Column, where: str) -> np.ndarray[Any, Any]:
    try:
        with np.errstate(over="raise"):
            return np.array(data, dtype=dtype)
    except (OverflowError, FloatingPointError) as error:
        raise InvalidInputs(f"{where} holds a number outside the range of {spec.type}") from error


def _check_items(spec: Column, data: Sequence[Any], where: str) -> None:
    takes = _ITEMS[spec.type]
    for item in data:
        if type(item) not in takes and item is not None:
            place = _at(where, data, lambda other: other is None or type(other) in takes)
            raise InvalidInputs(f"{place} is {json_word(item)}; {_takes(spec)}")


def _check_base64(data: Sequence[Any], where: str) -> None:
    for at, item in enumerate(data):
        try:
            base64.b64decode(item or "", validate=True)
        except ValueError as error:
            raise InvalidInputs(f"{where}[{at}] is no base64, as binary values are written") from error


_ITEMS: Mapping[str, tuple[type, ...]] = {
    "boolean": (bool,),
    "integer": (int,),
    "long": (int,),
    "float": (float, int),
    "double": (float, int),
    "string": (str,),
    "binary": (str,),
    "datetime": (str,),
}


def _takes(spec: Column) -> str:
    return f"the model takes {spec.type}{' or null' if not spec.required else ''} there"


def _at(where: str, data: Sequence[Any], fits: Any) -> str:
    """The place of the first item that does not fit."""
    return f"{where}[{next(at for at, item in enumerate(data) if not fits(item))}]"


def _json_part(name: str | None, data: Sequence[Any], dtype: str = JSON) -> Part:
    return Part(name, dtype, (len(data),), orjson.dumps(list(data)))
