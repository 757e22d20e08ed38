"""When certificates end. Imported only where there are some: the library that reads them takes memory."""

import functools
from collections.abc import Sequence
from datetime import UTC, datetime

from cryptography.x509 import load_pem_x509_certificates

from serve.access.certificates import Pem


def ends(pem: Pem) -> Sequence[tuple[str, float]]:
    """Of each file with certificates its name and when the first of them ends, as seconds since 1970."""
    files = [("server", pem.certificate), ("client_ca", pem.client_ca)]
    return [(what, _end(data)) for what, data in files if data is not None]


def told(end: float) -> str:
    """That moment, for people."""
    return datetime.fromtimestamp(end, UTC).strftime("%Y-%m-%d %H:%M UTC")


@functools.lru_cache(maxsize=4)
def _end(data: bytes) -> float:
    return min(one.not_valid_after_utc.timestamp() for one in load_pem_x509_certificates(data))
