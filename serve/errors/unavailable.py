"""What the caller may try again."""

from serve.errors.root import ServeError


class Unavailable(ServeError):
    """The caller may try again, after `again_seconds` or so where that is known."""

    again_seconds: float = 0.0


class QueueFull(Unavailable):
    """More rows wait than the queue may hold."""

    code = "queue_full"

    def __init__(self, model: str, limit: int, wait_seconds: float = 0.0) -> None:
        super().__init__(f"model '{model}' has {limit} rows waiting, as many as its queue holds: try again later")
        self.again_seconds = wait_seconds


class WaitTooLong(QueueFull):
    """Those that wait already would keep the request waiting for longer than it may."""

    code = "wait_too_long"

    def __init__(self, model: str, wait_seconds: float, allowed_seconds: float) -> None:
        told = f"model '{model}' is busy for about {wait_seconds:.2g} seconds, and this request may wait"
        Unavailable.__init__(self, f"{told} {allowed_seconds:.2g}: try again later")
        self.again_seconds = wait_seconds


class BodiesFull(QueueFull):
    """The bodies of other requests take up all the memory that bodies may."""

    def __init__(self, limit: int) -> None:
        Unavailable.__init__(self, f"the server holds {limit} bytes of requests, as many as it may: try again later")


class DeadlineExceeded(Unavailable):
    """The answer did not come in time."""

    code = "deadline_exceeded"

    def __init__(self, model: str, seconds: float) -> None:
        super().__init__(f"model '{model}' did not answer within {seconds:g} seconds")


class ReadTooSlowly(DeadlineExceeded):
    """The caller of an answer in chunks did not take them."""

    code = "read_too_slowly"

    def __init__(self, model: str, seconds: float) -> None:
        told = (
            f"no chunk of model '{model}' was taken for {seconds:g} seconds, so the stream was ended: read on in time"
        )
        Unavailable.__init__(self, told)


class WorkerDied(Unavailable):
    """The worker died with the request, which is not tried again: it may have, elsewhere, or its stream had begun."""

    code = "worker_died"

    def __init__(self, model: str, how: str) -> None:
        super().__init__(f"a worker of model '{model}' died while predicting ({how})")


class AsideDied(WorkerDied):
    """The process that read or wrote a large body died with it, and so did the one that tried it again."""

    def __init__(self, how: str) -> None:
        Unavailable.__init__(self, f"a process died while reading or writing this request's data ({how})")


class NotReady(Unavailable):
    """Nothing is live yet, or every worker is gone."""

    code = "not_ready"


class TooManyConnections(Unavailable):
    """As many are connected as may be."""

    code = "too_many_connections"

    def __init__(self) -> None:
        super().__init__("as many are connected to this server as may be: try again later")
