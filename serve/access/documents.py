"""A small document from a trusted place: GET over HTTPS, or plain HTTP of this very machine; no redirect is followed.

Asked for in a thread that nobody waits for at the end: a place that does not answer holds up neither a request nor the
end of the server. Every failure is `IssuerUnreachable`.
"""

import asyncio
import contextlib
import http.client
import ipaddress
import ssl
import threading
from urllib.parse import urlsplit

from serve.errors import IssuerUnreachable

_MOST_BYTES = 2**20
_SILENCE_SECONDS = 5.0
_WHOLE_SECONDS = 15.0


async def get(url: str) -> bytes:
    """The document at `url`, up to a size and in bounded time; an address that is not safe is not asked."""
    loop = asyncio.get_running_loop()
    coming: asyncio.Future[bytes] = loop.create_future()

    def settle(outcome: bytes | IssuerUnreachable) -> None:
        if coming.done():
            return
        if isinstance(outcome, bytes):
            coming.set_result(outcome)
        else:
            coming.set_exception(outcome)

    def work() -> None:
        try:
            outcome: bytes | IssuerUnreachable = _get(url)
        except IssuerUnreachable as error:
            outcome = error
        with contextlib.suppress(RuntimeError):  # the loop is over, and nobody waits
            loop.call_soon_threadsafe(settle, outcome)

    threading.Thread(target=work, daemon=True, name="issuer").start()
    try:
        async with asyncio.timeout(_WHOLE_SECONDS):
            return await coming
    except TimeoutError:
        raise IssuerUnreachable(f"{url} did not answer within {_WHOLE_SECONDS:g} seconds") from None


def require_safe(url: str) -> None:
    """`IssuerUnreachable` for an address that is neither HTTPS nor this machine's own."""
    with contextlib.suppress(ValueError):
        parts = urlsplit(url)
        if parts.scheme == "https" and parts.hostname:
            return
        if parts.scheme == "http" and is_loopback(parts.hostname or ""):
            return
    raise IssuerUnreachable(f"{url[:200]} is no https address, nor one of this machine")


def is_loopback(host: str) -> bool:
    """Whether a host is this machine, and reached from it alone."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _get(url: str) -> bytes:
    require_safe(url)
    try:
        parts = urlsplit(url)
        with contextlib.closing(_connection(parts.scheme, parts.hostname or "", parts.port)) as connection:
            target = parts._replace(scheme="", netloc="", fragment="").geturl()
            connection.request("GET", target, headers={"accept": "application/json"})
            answer = connection.getresponse()
            data = answer.read(_MOST_BYTES + 1)
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise IssuerUnreachable(f"{url}: {error or type(error).__name__}") from None
    if answer.status != 200:
        raise IssuerUnreachable(f"{url} answered {answer.status}")
    if len(data) > _MOST_BYTES:
        raise IssuerUnreachable(f"{url} is over {_MOST_BYTES} bytes")
    return data


def _connection(scheme: str, host: str, port: int | None) -> http.client.HTTPConnection:
    if scheme == "http":
        return http.client.HTTPConnection(host, port, timeout=_SILENCE_SECONDS)
    return http.client.HTTPSConnection(host, port, timeout=_SILENCE_SECONDS, context=ssl.create_default_context())
