"""A fault that crossed the wire → the error its caller hears. The log hears all of it where it is the model's."""

import structlog

from serve.child.wire import Fault
from serve.errors import BadOutput, InvalidInputs, OutputTooLarge, PredictFailed, ServeError
from serve.journey import Journey

log = structlog.get_logger()


def error(model: str, fault: Fault, journey: Journey | None = None) -> ServeError:
    """What `model`'s caller is told: what MLflow refused, or that the model failed and nothing more."""
    if fault.whose == "caller":
        return InvalidInputs(fault.message)
    if fault.whose == "answer":
        return (BadOutput if fault.kind == "WrongRows" else OutputTooLarge)(model, fault.message)
    whose = {"request_id": journey.id} if journey is not None else {}
    log.error("predict failed", model=model, kind=fault.kind, message=fault.message, trace=fault.trace, **whose)
    return PredictFailed(model, fault.kind, fault.message, fault.trace)
