"""The child's `Model` where it streams: what it says of a model, and of each chunk."""

from collections.abc import Iterator
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from mlflow.pyfunc import ChatAgent, PythonModel
from mlflow.pyfunc.loaders.chat_agent import _ChatAgentPyfuncWrapper
from mlflow.pyfunc.model import _PythonModelPyfuncWrapper

from serve.child.wire import JSON, Chunk, Done, Failed, Part, Value

VALUE = Value("array", (Part(None, "<f8", (1,), bytes(8)),))


class Pyfunc:
    """A loaded model whose `predict_stream` is `chunks`."""

    metadata = None

    def __init__(self, chunks: Any, wrapper: object = None, streamable: bool = True) -> None:
        self.predict_stream = chunks
        self._predict_stream_fn = chunks if streamable else None
        self._model_impl = wrapper


def chunk(text: bytes) -> Chunk:
    return Chunk(Value("json", (Part(None, JSON, (), text),)))


def test_a_chunk_comes_for_each_that_is_wanted_and_then_the_end(model: ModuleType) -> None:
    stream = model.Model(Pyfunc(lambda data: ["a", None])).stream(VALUE, {})
    assert next(stream) == chunk(b'"a"')
    assert stream.send(True) == chunk(b"null")
    assert stream.send(True) == Done()


def test_nothing_is_asked_of_the_model_ahead_of_what_is_wanted(model: ModuleType) -> None:
    asked: list[int] = []

    def chunks(data: Any) -> Iterator[str]:
        for number in range(5):
            asked.append(number)
            yield "a"

    stream = model.Model(Pyfunc(chunks)).stream(VALUE, {})
    assert asked == []
    next(stream)
    stream.send(True)
    assert asked == [0, 1]


def test_the_generator_is_closed_when_no_more_is_wanted(model: ModuleType) -> None:
    told: list[str] = []

    def chunks(data: Any) -> Iterator[str]:
        try:
            yield "a"
            yield "b"
        finally:
            told.append("closed")

    stream = model.Model(Pyfunc(chunks)).stream(VALUE, {})
    next(stream)
    assert stream.send(False) == Done()
    assert told == ["closed"]


def test_params_are_passed_where_there_are_any(model: ModuleType) -> None:
    stream = model.Model(Pyfunc(lambda data, params=None: [params])).stream(VALUE, {"k": 1})
    assert next(stream) == chunk(b'{"k":1}')


@pytest.mark.parametrize("outcome", [ValueError("no"), SystemExit(3)])
def test_what_the_model_raises_is_its_fault_and_the_end(model: ModuleType, outcome: BaseException) -> None:
    def chunks(data: Any) -> Iterator[str]:
        yield "a"
        raise outcome

    stream = model.Model(Pyfunc(chunks)).stream(VALUE, {})
    next(stream)
    last = stream.send(True)
    assert isinstance(last, Failed)
    assert (last.fault.whose, last.fault.kind) == ("model", type(outcome).__name__)


def test_a_chunk_without_a_json_form_is_the_models_fault_and_closes_its_generator(model: ModuleType) -> None:
    told: list[str] = []

    def chunks(data: Any) -> Iterator[object]:
        try:
            yield object()
        finally:
            told.append("closed")

    last = next(model.Model(Pyfunc(chunks)).stream(VALUE, {}))
    assert isinstance(last, Failed)
    assert told == ["closed"]


def test_an_error_while_closing_is_told_in_place_of_the_end(model: ModuleType) -> None:
    def chunks(data: Any) -> Iterator[str]:
        try:
            yield "a"
        finally:
            raise ValueError("no")

    stream = model.Model(Pyfunc(chunks)).stream(VALUE, {})
    next(stream)
    assert isinstance(stream.send(False), Failed)


class Teller(PythonModel):
    def predict(self, context, model_input: list[str], params=None):  # type: ignore[no-untyped-def]
        return model_input

    def predict_stream(self, context, model_input, params=None):  # type: ignore[no-untyped-def]
        yield model_input


class Mute(PythonModel):
    def predict(self, context, model_input: list[str], params=None):  # type: ignore[no-untyped-def]
        return model_input


class MuteAgent(ChatAgent):
    def predict(self, messages, context=None, custom_inputs=None):  # type: ignore[no-untyped-def]
        return messages


@pytest.mark.filterwarnings("ignore:.*ChatModel.*:FutureWarning")
def test_a_model_streams_where_mlflow_and_its_author_say_so(model: ModuleType) -> None:
    def streams(wrapper: Any, streamable: bool = True) -> bool:
        return bool(model.Model(Pyfunc(wrapper.predict_stream, wrapper, streamable)).streams)

    assert streams(_PythonModelPyfuncWrapper(Teller(), None, None))
    assert not streams(_PythonModelPyfuncWrapper(Teller(), None, None), streamable=False)
    assert not streams(_PythonModelPyfuncWrapper(Mute(), None, None))
    assert not streams(_ChatAgentPyfuncWrapper(MuteAgent()))  # which MLflow logs as one that streams


def test_a_model_of_a_loader_module_streams_where_mlflow_says_so(model: ModuleType) -> None:
    assert model.Model(Pyfunc(lambda data: [])).streams
    assert not model.Model(SimpleNamespace()).streams
