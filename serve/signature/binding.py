"""A payload and a signature → the `Value` a worker takes and the params it is called with. Pure.

Numbers become buffers of the signature's own dtype here, once; a request that does not fit is refused here,
before any queue, in one sentence that names the place and never repeats the data.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from serve.child.wire import Value
from serve.errors import InvalidInputs
from serve.signature import frames, tensors
from serve.signature.payload import Payload, json_word
from serve.signature.spec import Param, Signature

_PARAM_CASTS: Mapping[str, tuple[tuple[type, ...], type]] = {
    "integer": ((int,), int),
    "long": ((int,), int),
    "float": ((int, float), float),
    "double": ((int, float), float),
    "string": ((str,), str),
    "boolean": ((bool,), bool),
    "datetime": ((str,), str),
}


@dataclass(frozen=True, slots=True)
class Bound:
    """A request ready for a worker. Only requests of equal `group` may share a batch."""

    value: Value
    params: Mapping[str, Any]

    @property
    def rows(self) -> int:
        return self.value.rows

    @property
    def group(self) -> tuple[Any, ...]:
        """What must be equal for two requests to be joined by rows: form, names, dtypes, inner shapes, params.

        A value whose parts are not all of the same number of rows can't be joined; its group is its own.
        """
        parts = tuple((part.name, part.dtype, part.shape[1:]) for part in self.value.parts)
        lengths = {part.shape[:1] for part in self.value.parts}
        alone = id(self.value) if len(lengths) != 1 or () in lengths else None
        return (self.value.kind, parts, repr(sorted(self.params.items())), alone)


def bind(payload: Payload, signature: Signature) -> Bound:
    """The payload as the model takes it, or `InvalidInputs`."""
    params = bind_params(payload.params, signature.params)
    if payload.form.startswith("dataframe") or signature.columns:
        value = frames.bind(payload, signature)
    else:
        value = tensors.bind(payload, signature.tensors)
    if value.rows == 0:
        raise InvalidInputs(f"{payload.form} holds no rows")
    return Bound(value, params)


def bind_params(given: Mapping[str, Any], declared: Sequence[Param]) -> dict[str, Any]:
    """Every declared param with its given or default value; an unknown one is refused."""
    names = [param.name for param in declared]
    unknown = [name for name in given if name not in names]
    if unknown:
        takes = f"it takes {', '.join(names)}" if names else "it takes none"
        raise InvalidInputs(f"the model has no param '{unknown[0]}'; {takes}")
    return {param.name: _param(param, given[param.name]) for param in declared if param.name in given} | {
        param.name: param.default for param in declared if param.name not in given
    }


def _param(param: Param, value: Any) -> Any:
    if param.shape is None:
        return _scalar(param, value, f"params.{param.name}")
    if not isinstance(value, list):
        raise InvalidInputs(f"params.{param.name} must be a list, not {json_word(value)}")
    return [_scalar(param, item, f"params.{param.name}[{at}]") for at, item in enumerate(value)]


def _scalar(param: Param, value: Any, where: str) -> Any:
    if param.type not in _PARAM_CASTS:
        return value  # a nested param: MLflow checks it in the worker
    takes, cast = _PARAM_CASTS[param.type]
    if not isinstance(value, takes) or (isinstance(value, bool) and bool not in takes):
        raise InvalidInputs(f"{where} must be of type {param.type}, not {json_word(value)}")
    return cast(value)
