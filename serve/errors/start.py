"""What the operator must mend before the server can start."""

from serve.errors.root import ServeError


class SocketUnusable(ServeError):
    """A socket that was handed over is none that callers can come by."""

    code = "socket_unusable"
