"""A request of the protocol, whatever carried it: its tensors bound to the signature they are meant for. Pure.

`body.py` makes one of REST, `grpc/messages.py` of gRPC.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from serve.child.wire import Value
from serve.errors import InvalidInputs, MalformedRequest
from serve.front.open_inference import tensor
from serve.front.open_inference.datatypes import JSON, Described, described
from serve.front.open_inference.elements import Array
from serve.front.open_inference.tensor import Tensor
from serve.signature.binding import Bound, bind_arrays
from serve.signature.binding import bind as bind_payload
from serve.signature.payload import Payload
from serve.signature.spec import Param, Signature

CONTENT_TYPE = "content_type"
BINARY_OUTPUT = "binary_data_output"
TIMEOUT = "timeout"  # microseconds, as Triton has it

Named = dict[str | None, Array]

# Parameters of the protocol and of the servers that speak it; a model's own param can't be reached by such a name.
_RESERVED = frozenset(
    {"sequence_id", "sequence_start", "sequence_end", "priority", TIMEOUT, "headers", BINARY_OUTPUT, CONTENT_TYPE}
)
_UNSUPPORTED = {"shared_memory_region": "shared memory", "classification": "classification"}
_FIRST_OUTPUT = "output-0"  # what an answer without names has, whatever the signature promised


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a request says of its answer: its id, which outputs (None: all), and which of them in binary form."""

    id: str | None = None
    outputs: tuple[str, ...] | None = None
    binary: bool = False
    exceptions: Mapping[str, bool] = field(default_factory=dict)

    def in_binary(self, output: str) -> bool:
        return self.exceptions.get(output, self.binary)


@dataclass(frozen=True, slots=True)
class Request:
    """One inference request of the protocol."""

    inputs: Sequence[Tensor]
    parameters: Mapping[str, Any]
    wanted: Wanted


def bind(request: Request, signature: Signature) -> Bound:
    """The request as the model takes it, which notes what its answer must be; `InvalidInputs` where it does not fit."""
    known = described(signature.columns or signature.tensors, "input")
    if signature.outputs and request.wanted.outputs:  # those it does not promise are refused before any queue
        promised = [one.name for one in described(signature.outputs, "output")]
        require_outputs([name for name in request.wanted.outputs if name != _FIRST_OUTPUT], promised)
    params = _params(request.parameters, signature.params)
    arrays = _arrays(request.inputs, known)
    if signature.type_hint:
        bound = bind_payload(Payload("inputs", _items(arrays, known), params), signature)
    elif known:
        bound = bind_arrays(_by_field(arrays, known), params, signature, "inputs")
    else:
        bound = _unchecked(arrays, params, request.parameters.get(CONTENT_TYPE), signature)
    return bound._replace(note=request.wanted, timeout_seconds=_timeout_seconds(request.parameters))


def wanted(bound: Bound) -> Wanted:
    """What the request that was bound here said of its answer."""
    assert isinstance(bound.note, Wanted)
    return bound.note


def _timeout_seconds(parameters: Mapping[str, Any]) -> float | None:
    """How long the caller waits; None where it does not say, or says 0."""
    given = parameters.get(TIMEOUT)
    if given is not None and (not isinstance(given, int) or isinstance(given, bool) or given < 0):
        raise MalformedRequest("parameters.timeout must be a whole number of microseconds")
    return given / 1e6 if given else None


def require_outputs(asked: Sequence[str], names: Sequence[str]) -> None:
    """Refuse the first of the outputs asked for that is none of `names`."""
    unknown = next((name for name in asked if name not in names), None)
    if unknown is not None:
        told = f"the model has no output '{unknown[:80]}'; it has {', '.join(names)}"
        raise InvalidInputs(told, "outputs")


def require_supported(parameters: Mapping[str, Any], place: str) -> None:
    """Refuse what other servers of the protocol can do, and this one can't."""
    for name, told in _UNSUPPORTED.items():
        if name in parameters:
            raise MalformedRequest(f"{place}.parameters.{name}: {told} is not supported here")


def _params(given: Mapping[str, Any], declared: Sequence[Param]) -> dict[str, Any]:
    """The parameters that are the model's. Lists and objects may come as JSON text, for the protocol knows none."""
    nested = {param.name for param in declared if param.shape is not None or not isinstance(param.type, str)}
    return {
        name: tensor.document(value, f"parameters.{name}") if name in nested and isinstance(value, str) else value
        for name, value in given.items()
        if name not in _RESERVED and not name.startswith("triton_")
    }


def _arrays(inputs: Sequence[Tensor], known: Sequence[Described]) -> Named:
    fields = {one.name: one for one in known}
    only = known[0] if len(known) == 1 else None  # whatever it is called
    arrays: Named = {}
    for one in inputs:
        if one.name in arrays:
            raise InvalidInputs(f"{one.place}.name is also that of another input", f"{one.place}.name")
        arrays[one.name] = tensor.read(one, fields.get(one.name, only))
    return arrays


def _by_field(arrays: Named, known: Sequence[Described]) -> Named:
    """The arrays by the names the signature has for them; those of a signature without names in its order."""
    if any(one.field.name is not None for one in known):
        return arrays
    if len(arrays) == 1:
        return _nameless(arrays)
    order: dict[str | None, int] = {one.name: at for at, one in enumerate(known)}
    return {name: arrays[name] for name in sorted(arrays, key=lambda name: order.get(name, len(order)))}


def _nameless(arrays: Named) -> Named:
    (array,) = arrays.values()
    return {None: array}


def _items(arrays: Named, known: Sequence[Described]) -> list[Any]:
    """The items that a model with type hints takes a list of."""
    if len(arrays) != 1:
        raise InvalidInputs("the model takes one list of typed Python values: send them as one input", "inputs")
    items: list[Any] = [item for array in arrays.values() for item in array.reshape(-1).tolist()]
    if not known or known[0].content_type != JSON:
        return items
    return [tensor.document(item, f"inputs[0].data[{at}]") for at, item in enumerate(items)]


def _unchecked(arrays: Named, params: Mapping[str, Any], kind: Any, signature: Signature) -> Bound:
    """For a model without a signature: an array, or by the request's content_type arrays by name or a frame."""
    if kind == "pd":
        columns: Named = {name: one.reshape(-1) for name, one in arrays.items() if one.shape[1:] in ((), (1,))}
        if len(columns) < len(arrays) or len(set(map(len, columns.values()))) != 1:
            raise InvalidInputs("with the content_type pd, all inputs must be of one shape, [N] or [N, 1]", "inputs")
        return bind_arrays(columns, params, signature, "inputs")
    if kind != "dict" and len(arrays) == 1:
        return bind_arrays(_nameless(arrays), params, signature, "inputs")
    bound = bind_arrays(arrays, params, signature, "inputs")
    return Bound(Value("arrays", bound.value.parts), bound.params)
