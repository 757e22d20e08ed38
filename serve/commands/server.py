"""A running server, asked over HTTP by who runs it: an answer in bounded time, or a sentence that says why not."""

import http.client
import json
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

_SECONDS = 10.0
_MOST_BYTES = 64 * 2**20


class Unanswered(Exception):
    """The server can't be reached, or lets the caller not in; says why."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where a server is, what to show it, and whose certificate it may have: of `ca`, or exactly `certificate`."""

    url: str
    api_key: str | None = field(default=None, repr=False)
    ca: Path | None = None
    certificate: Path | None = None

    def json(self, path: str, *statuses: int) -> Any:
        """The document at `path`, which may come with these statuses too; `Unanswered`."""
        status, body = self.get(path)
        if status not in (200, *statuses):
            raise Unanswered(f"{self.url}{path} answered {status}{_why(body)}{self._advice(status)}")
        try:
            return json.loads(body)
        except ValueError:
            raise Unanswered(f"{self.url}{path} answered no JSON: is it a server of Pinion's?") from None

    def get(self, path: str) -> tuple[int, bytes]:
        """Status and body; `Unanswered` where there is no answer."""
        parts = urlsplit(self.url if "://" in self.url else f"http://{self.url}")
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise Unanswered(f"{self.url} is no address: as in http://localhost:8000")
        headers = {"accept": "application/json", "connection": "close"}
        if self.api_key:
            headers["authorization"] = f"Bearer {self.api_key}"
        try:
            connection = self._connection(parts.scheme, parts.hostname, parts.port)
            try:
                connection.request("GET", f"{parts.path.rstrip('/')}{path}", headers=headers)
                answer = connection.getresponse()
                return answer.status, answer.read(_MOST_BYTES)
            finally:
                connection.close()
        except ssl.SSLError as error:
            told = f"{self.url} has no certificate that is trusted here ({error.reason or error}): name its --ca"
            raise Unanswered(told) from None
        except (OSError, ValueError, http.client.HTTPException) as error:
            why = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise Unanswered(
                f"no server answers at {self.url} ({why}): is it running, and is that its address?"
            ) from None

    def _connection(self, scheme: str, host: str, port: int | None) -> http.client.HTTPConnection:
        if scheme == "http":
            return http.client.HTTPConnection(host, port, timeout=_SECONDS)
        context = ssl.create_default_context(cafile=str(self.ca) if self.ca else None)
        if self.certificate is not None and self.ca is None:  # it is known by its very certificate, whatever its name
            context.load_verify_locations(cafile=str(self.certificate))
            context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
            context.check_hostname = False
        return http.client.HTTPSConnection(host, port, timeout=_SECONDS, context=context)

    def _advice(self, status: int) -> str:
        if status == 401:
            return "; give a key with --api-key, or as PINION_API_KEY"
        return "; ask its control port (--url), which has it" if status == 404 else ""


def _why(body: bytes) -> str:
    """The sentence of a problem."""
    try:
        return f" ({json.loads(body)['detail']})"
    except (ValueError, KeyError, TypeError):
        return ""
