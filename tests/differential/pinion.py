"""Our side: a body through the front's dialect, the wire and the child's own code, in-process → verdict and lane.

The same code that serves, without its processes: the MLflow dialect reads and binds, frames are encoded and decoded,
the child's `Model` predicts, the dialect writes the answer. Several bodies at once go as one batch.
"""

import importlib
import json
import sys
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlflow.pyfunc import PyFuncModel

from serve.child import wire
from serve.errors import RequestRejected
from serve.front.dialect import Call
from serve.front.schemas.invocations import Invocations
from serve.request import InferenceResponse
from serve.signature.binding import Bound
from serve.signature.spec import Signature, parse
from serve.worker.process import CHILD
from serve.worker.variables import child_environment
from tests.differential import oracle
from tests.differential.oracle import Verdict

TYPED = "typed in the front"  # the lanes: who decided, and what the worker was sent
READ = "read by MLflow in the worker"
REFUSED_EARLY = "refused in the front"
REFUSED_LATE = "refused in the worker"
FAILED = "blamed on the model"
LANES = (TYPED, READ, REFUSED_EARLY, REFUSED_LATE, FAILED)

_dialect = Invocations()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What Pinion says to a body, and in which lane it was decided."""

    verdict: Verdict
    lane: str


@dataclass(frozen=True, slots=True)
class Entry:
    """A body that the front has taken."""

    call: Call
    bound: Bound


def _child() -> Any:
    """The child's `model` module, with its siblings by plain name, as in a worker; on the wire that we import."""
    siblings = [path.stem for path in CHILD.glob("[a-z]*.py")]
    before = {name: sys.modules.pop(name, None) for name in siblings}
    sys.modules["wire"] = wire
    sys.path.insert(0, str(CHILD))
    try:
        return importlib.import_module("model")
    finally:
        sys.path.remove(str(CHILD))
        for name in siblings:
            sys.modules.pop(name, None)
        sys.modules.update({name: module for name, module in before.items() if module is not None})


child = _child()


def signature(recorded: Mapping[str, Any]) -> Signature:
    return parse(recorded.get("signature"), type_hint=bool(recorded.get("is_signature_from_type_hint")))


def ask(pyfunc: PyFuncModel, known: Signature, body: bytes, content_type: str) -> Outcome:
    """What Pinion, serving this model, says to this body."""
    taken = taken_in(known, body, content_type)
    return taken if isinstance(taken, Outcome) else answered(pyfunc, known, [taken])[0]


def taken_in(known: Signature, body: bytes, content_type: str) -> Entry | Outcome:
    """The front's part: an entry for the queue, or a refusal."""
    call = Call("/invocations", {"content-type": content_type}, {}, body, 0.0)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # the front leaves none to whoever runs it
            return Entry(call, _dialect.decode(call).reading.bind(known))
    except RequestRejected as error:
        return Outcome(Verdict(False, reason=f"{type(error).__name__}: {error}"), REFUSED_EARLY)


def answered(pyfunc: PyFuncModel, known: Signature, entries: Sequence[Entry]) -> list[Outcome]:
    """The worker's part: the entries as one batch, and their answers as callers get them."""
    asked = unframed(asking(entries))
    assert child_environment(CHILD, 1)[oracle.SERVING] == "true"
    with oracle.serving():
        answers = child.Model(pyfunc).predict(asked.values, asked.params)
    return told(known, entries, framed(answers))


def asking(entries: Sequence[Entry]) -> bytearray:
    """The frame that asks a worker for these entries' answers."""
    return framed(wire.Predict(tuple(entry.bound.value for entry in entries), dict(entries[0].bound.params)))


def told(known: Signature, entries: Sequence[Entry], frame: bytearray) -> list[Outcome]:
    """The outcomes in a worker's answer."""
    answers = unframed(frame).answers
    return [_outcome(entry, known, answer) for entry, answer in zip(entries, answers, strict=True)]


def _outcome(entry: Entry, known: Signature, answer: wire.Value | wire.Fault) -> Outcome:
    if isinstance(answer, wire.Fault):
        refusal = Verdict(False, reason=f"{answer.kind}: {answer.message} {answer.trace}")
        return Outcome(refusal, REFUSED_LATE if answer.whose == "caller" else FAILED)
    written = _dialect.encode(entry.call, InferenceResponse("probe", answer, entry.bound, known, {}))
    lane = READ if entry.bound.value.kind == "request" else TYPED
    return Outcome(Verdict(True, json.loads(written.body, parse_constant=_no_json)), lane)


def _no_json(constant: str) -> None:
    raise AssertionError(f"{constant} is no JSON")


def framed(message: wire.Message) -> bytearray:
    """The message as it goes over the wire."""
    return bytearray(b"".join(bytes(buffer) for buffer in wire.encode(message)))


def unframed(frame: bytearray) -> Any:
    """The message as the other end gets it: in a buffer of its own, writable, as the child's loop reads it."""
    header, _ = wire.lengths(frame[: wire.PREFIX.size])
    start = wire.PREFIX.size + header
    return wire.decode(frame[wire.PREFIX.size : start], frame[start:])
