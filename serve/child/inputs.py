"""Values of the wire → what the model is given: an array, a dict of arrays, a frame, or what MLflow reads itself.

Several values of one kind are joined by rows. A frame's columns are left to pandas where they are text or nested,
so that they get the dtypes that this very pandas gives them anywhere else. A "request" is read by this MLflow's
own scoring code: what that accepts, casts or refuses is its verdict, not ours.
"""

from __future__ import annotations

import base64
import functools
import io
import itertools
import json
from typing import Any, Callable, List, Set, Tuple

import numpy as np
import pandas as pd
from mlflow.utils import proto_json_utils

import wire


# MLflow's own readers of bodies, the same since 2.0.
_tensors_or_columns: Callable[..., Any] = proto_json_utils.parse_tf_serving_input
_frame: Callable[..., Any] = proto_json_utils.dataframe_from_parsed_json


class Unjoinable(Exception):
    """These values must be predicted one by one."""


class Unreadable(Exception):
    """MLflow can't read the request; the cause says why."""


def given(values: tuple[wire.Value, ...], metadata: Any, rows: Tuple[int, ...] = ()) -> Any:
    """What the model is given for these entries together; `metadata` is the loaded model's.

    A lone value may be several entries already joined, of so many `rows` each. It is copied: where the model fails on
    it, having written to it, each entry is predicted alone from what came.
    """
    first = values[0]
    if first.kind == "request":
        if len(values) > 1:
            raise Unjoinable("a request is read as a whole")
        return _read(first.parts[0], metadata)
    columns = [[value.parts[at] for value in values] for at in range(len(first.parts))]
    names = [part.name for part in first.parts]
    if first.kind == "frame" and len(columns) == 1 and first.parts[0].columns:
        return _block(columns[0], copied=bool(rows))
    if first.kind == "frame":
        return pd.DataFrame({name: _column(parts, rows) for name, parts in zip(names, columns)})
    arrays = [_stack(parts, copied=bool(rows)) for parts in columns]
    return arrays[0] if first.kind == "array" else dict(zip(names, arrays))


def _read(part: wire.Part, metadata: Any) -> Any:
    try:
        return _parsed(str(part.name), bytes(part.data), metadata)
    except ImportError as error:
        raise Unreadable(f"the model's environment has no library that reads {part.name}") from error
    except Exception as error:
        raise Unreadable(str(error)) from error


def _parsed(form: str, data: bytes, metadata: Any) -> Any:
    """As mlflow/pyfunc/scoring_server does, by the forms of its bodies."""
    schema = metadata.get_input_schema()
    if form == "text/csv":
        dtypes = dict(zip(schema.input_names(), schema.pandas_types())) if schema is not None else None
        return pd.read_csv(io.StringIO(data.decode("utf-8")), dtype=dtypes)
    if form == "application/vnd.apache.parquet":
        return pd.read_parquet(io.BytesIO(data))
    document = json.loads(data)
    if form == "unified":
        return {key: value for key, value in document.items() if key not in _params(metadata)}
    if hasattr(metadata, "_is_signature_from_type_hint") and metadata._is_signature_from_type_hint():
        return document[form]
    if form in ("inputs", "instances"):
        return _tensors_or_columns({form: document[form]}, schema=schema)
    return _frame(document[form], pandas_orient=form[len("dataframe_") :], schema=schema)


def _params(metadata: Any) -> Set[str]:
    schema = metadata.get_params_schema() if hasattr(metadata, "get_params_schema") else None
    return {param.name for param in schema.params} if schema is not None else set()


def _block(parts: List[wire.Part], copied: bool) -> pd.DataFrame:
    """A frame of columns of one dtype, laid out in memory as pandas does where it is given them one by one."""
    rows = _stack(parts)
    laid_out = np.array(rows, order="F") if copied else np.asfortranarray(rows)
    return pd.DataFrame(laid_out, columns=_index(parts[0].columns), copy=False)


@functools.lru_cache(maxsize=64)
def _index(names: Tuple[str, ...]) -> pd.Index:
    return pd.Index(names)


def _column(parts: List[wire.Part], rows: Tuple[int, ...]) -> Any:
    """One column of a frame. Lists whose dtypes may differ alone and together are not joined."""
    if parts[0].dtype not in (wire.JSON, wire.BASE64):
        return _stack(parts)
    lists = [_items(part) for part in parts]
    if rows:
        ends = list(itertools.accumulate(rows))
        lists = [lists[0][end - count : end] for end, count in zip(ends, rows)]
    if len({_kind(items) for items in lists}) > 1:
        raise Unjoinable("columns of several kinds")
    return list(itertools.chain.from_iterable(lists))


def _kind(items: List[Any]) -> str:
    """What pandas makes of a list: of text with nulls not what it makes of nulls alone, though it calls both mixed."""
    kind = pd.api.types.infer_dtype(items, skipna=False)
    return f"mixed {pd.api.types.infer_dtype(items, skipna=True)}" if kind == "mixed" else str(kind)


def _items(part: wire.Part) -> List[Any]:
    items = json.loads(bytes(part.data))
    if part.dtype == wire.BASE64:
        return [None if item is None else base64.b64decode(item) for item in items]
    return items


def _stack(parts: List[wire.Part], copied: bool = False) -> np.ndarray:
    """The parts' rows one after another; always aligned and writable."""
    arrays = [_array(part) for part in parts]
    if len(arrays) > 1:
        return np.concatenate(arrays)
    return np.array(arrays[0]) if copied else np.require(arrays[0], requirements="A")


def _array(part: wire.Part) -> np.ndarray:
    if part.dtype in (wire.JSON, wire.BASE64):
        items = _items(part)
        array = np.empty(len(items), dtype=object)
        for at, item in enumerate(items):
            array[at] = item
        return array.reshape(part.shape)
    return np.frombuffer(part.data, dtype=part.dtype).reshape(part.shape)
