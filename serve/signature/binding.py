"""A payload and a signature → the `Value` a worker takes and the params it is called with. Pure.

Read strictly (`bind`), what does not fit is refused here, before any queue, with its place and without its data.
Read as MLflow's scoring server would (`bind_as_mlflow`), there are three ways: what both read alike is bound here
too; what no MLflow would take is refused here; what MLflow may bend until it fits goes to the model's own MLflow,
as it came, and its verdict stands. What has no signature goes there in any case.
"""

import contextlib
import functools
import json
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import orjson

from serve.child.wire import BYTES, JSON, Part, Value
from serve.errors import InvalidInputs
from serve.signature import arrays, frames, params, tensors
from serve.signature.flaws import Hopeless
from serve.signature.payload import UNIFIED, Payload
from serve.signature.spec import Signature

_NO_PARAMS = "[]"
_BEYOND = 2.0**63


class Bound(NamedTuple):
    """A request ready for a worker. Only requests of equal `group` may share a batch.

    `unwrapped`: the answer is wanted without `predictions` around it, as chat and completion clients expect.
    `joint` is its group, where who made it knew. `note` is for the dialect that read it, when it answers.
    `timeout_seconds`: how long its caller waits, where the body says so.
    """

    value: Value
    params: Mapping[str, Any]
    unwrapped: bool = False
    joint: tuple[Any, ...] | None = None
    note: Any = None
    timeout_seconds: float | None = None

    @property
    def rows(self) -> int:
        return self.value.rows

    @property
    def group(self) -> tuple[Any, ...]:
        """What must be equal for two requests to be joined by rows: form, names, dtypes, inner shapes, params.

        A value whose parts are not all of the same number of rows can't be joined; its group is its own.
        """
        if self.joint is not None:
            return self.joint
        parts = tuple(_layout(part) for part in self.value.parts)
        given = repr(sorted(self.params.items())) if self.params else _NO_PARAMS
        return (self.value.kind, parts, given, None if self.joins else id(self.value))

    @property
    def joins(self) -> bool:
        """Whether others may be joined to it by rows."""
        lengths = {part.shape[:1] for part in self.value.parts}
        return self.value.kind in ("array", "arrays", "frame") and len(lengths) == 1 and () not in lengths


@functools.lru_cache(maxsize=256)
def group(kind: str, name: str | None, dtype: str, inner: tuple[int, ...], columns: tuple[str, ...]) -> tuple[Any, ...]:
    """The group of a value of one part of raw data, that is asked without params."""
    layout = _layout(Part(name, dtype, (1, *inner), b"", columns))
    return (kind, (layout,), _NO_PARAMS, None)


def _layout(part: Part) -> tuple[Any, ...]:
    return (part.name, part.dtype, part.shape[1:], part.columns, _has_null(part))


def _has_null(part: Part) -> bool:
    """Whether a column of JSON may hold nulls: pandas makes other dtypes of such columns."""
    return part.dtype == JSON and b"null" in bytes(part.data)


def bind(payload: Payload, signature: Signature) -> Bound:
    """The payload, read strictly; `InvalidInputs` where it does not fit."""
    if payload.form == UNIFIED:
        return _unified(payload, signature)
    bound_params = params.bind(_params(payload), signature.params)
    if not signature.checked_here:
        return Bound(_unchecked(payload, signature), bound_params)
    value, _ = _checked(payload, signature)
    if value.rows == 0:
        raise InvalidInputs(f"{payload.form} holds no rows", payload.form)
    return Bound(value, bound_params)


def bind_as_mlflow(payload: Payload, signature: Signature) -> Bound:
    """The payload as MLflow's scoring server would read it; `InvalidInputs` where it surely would refuse it."""
    if payload.form == UNIFIED:
        return _unified(payload, signature)
    bound_params = params.bind(_params(payload), signature.params, strict=False)
    if not signature.checked_here:
        return Bound(_unchecked(payload, signature), bound_params)
    try:
        value, alike = _checked(payload, signature)
    except Hopeless:
        if not (_reshaped(payload, signature) or _nameless(payload)):
            raise
        alike = False
    except InvalidInputs:
        alike = False
    return Bound(value if alike and value.rows else _as_it_came(payload), bound_params)


def _params(payload: Payload) -> Any:
    """As they came, with integers as they were written: those beyond 64 bits orjson reads as floats."""
    given = payload.params
    if payload.body and isinstance(given, dict) and any(_rounded(value) for value in given.values()):
        with contextlib.suppress(ValueError, RecursionError):  # of more digits than Python reads: MLflow refuses it too
            return json.loads(payload.body)["params"]
    return given


def _rounded(value: Any) -> bool:
    """Whether it, or one of a list, is a float that an integer beyond 64 bits may have become."""
    return any(type(one) is float and abs(one) >= _BEYOND for one in (value if isinstance(value, list) else [value]))


def bind_document(body: bytes, kind: str, signature: Signature) -> Bound:
    """A body that the worker's own pandas reads: `kind` is the content type of CSV or Parquet."""
    return Bound(Value("request", (Part(kind, BYTES, (1,), body),)), params.bind({}, signature.params))


def bind_arrays(
    named: Mapping[str | None, np.ndarray[Any, Any]],
    given: Mapping[str, Any],
    signature: Signature,
    form: str,
    layout: str = "columns",
) -> Bound:
    """Data that came typed, by input name (None for one without); see `arrays.bind`."""
    if signature.type_hint:
        raise InvalidInputs("the model takes typed Python values: send them as JSON, in inputs", form)
    bound_params = params.bind(given, signature.params)
    value = arrays.bind(named, signature, form, layout)
    if value.rows == 0:
        raise InvalidInputs(f"{form} holds no rows", form)
    return Bound(value, bound_params)


def _checked(payload: Payload, signature: Signature) -> tuple[Value, bool]:
    if signature.tensors:
        return tensors.bind(payload, signature.tensors)
    return frames.bind(payload, signature)


def _reshaped(payload: Payload, signature: Signature) -> bool:
    """Whether MLflow would make tensors of a frame, whose cells it reshapes as it needs."""
    return bool(signature.tensors) and payload.form.startswith("dataframe")


def _nameless(payload: Payload) -> bool:
    """Whether MLflow would number the columns of a frame, and so find none of those that the signature names."""
    return payload.form == "dataframe_split" and isinstance(payload.value, dict) and "columns" not in payload.value


def _unified(payload: Payload, signature: Signature) -> Bound:
    """A whole body is the data, but for the keys that the signature declares as params."""
    names = [param.name for param in signature.params]
    given = {name: payload.value[name] for name in payload.value if name in names}
    return Bound(_as_it_came(payload), params.bind(given, signature.params), unwrapped=True)


def _unchecked(payload: Payload, signature: Signature) -> Value:
    """Without a signature, or with type hints, MLflow reads the data in the worker; numbers alone can be batched."""
    if signature.type_hint:
        if payload.form != "inputs":
            raise InvalidInputs(f"the model takes typed Python values: send them as inputs, not {payload.form}")
        return _as_it_came(payload)
    if payload.form in ("inputs", "instances"):
        return tensors.numbers(payload.value) or _as_it_came(payload)
    return _as_it_came(payload)


def _as_it_came(payload: Payload) -> Value:
    """The whole body for MLflow's own reader, named for its form, with as many rows as it seems to have.

    Numbers that JSON can write and this server would round stay as they were written.
    """
    body = payload.body
    if not body:
        body = orjson.dumps(payload.value if payload.form == UNIFIED else {payload.form: payload.value})
    return Value("request", (Part(payload.form, JSON, (max(1, _rows(payload.value)),), body),))


def _rows(value: Any) -> int:
    if isinstance(value, dict):
        inner = [_rows(item) for item in value.values() if isinstance(item, list)]
        return max(inner, default=1)
    return len(value) if isinstance(value, list) else 1
