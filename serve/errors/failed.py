"""What the model's author must look at, and what we must."""

from serve.errors.root import ServeError


class ModelFailed(ServeError):
    """The model's author must look."""


class PredictFailed(ModelFailed):
    """The model raised. The traceback goes to the log, never to the caller."""

    code = "predict_failed"

    def __init__(self, model: str, kind: str, message: str, trace: str) -> None:
        super().__init__(f"model '{model}' failed on this input ({kind}); the server's log has the details")
        self.kind, self.detail, self.trace = kind, message, trace


class BadOutput(ModelFailed):
    """The model did not answer each row with one row, as it did at its promotion."""

    code = "bad_output"

    def __init__(self, model: str, detail: str) -> None:
        super().__init__(f"model '{model}' answered {detail}: its author must look")


class OutputTooLarge(ModelFailed):
    """The model's answer has more bytes than `worker.max_answer_bytes`."""

    code = "output_too_large"

    def __init__(self, model: str, detail: str) -> None:
        super().__init__(f"model '{model}' answered too much: {detail}")


class WorkerCrashed(ModelFailed):
    """The request ended the worker that held it, and the one that tried it again by itself."""

    code = "worker_crashed"

    def __init__(self, model: str, how: str) -> None:
        super().__init__(f"this request ends the workers of model '{model}' ({how}); it is not tried again")


class InternalError(ServeError):
    """A fault of the server's own; the log has it."""

    code = "internal_error"
