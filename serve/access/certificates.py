"""The certificates of the server, and the authority of its callers' where those must show one too.

`context` is for a listening socket, and stays: who connects gets the newest certificates from it, as its handshake
begins, so a renewed one drops no connection. They are looked at whole before they are used: a certificate without its
key is refused, and the one before goes on.
"""

import ssl
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from serve.access.followed import Contents
from serve.errors import CertificateUnreadable


class Pem(NamedTuple):
    """As files hold them: the certificate with its chain, its private key, and the authority of callers, if any."""

    certificate: bytes
    key: bytes
    client_ca: bytes | None


class Certificates:
    """Those in use: `taken` once they have been, as `context` and `pem`."""

    pem: Pem

    def __init__(self, certificate: Path, key: Path | None, client_ca: Path | None) -> None:
        self._certificate, self._key, self._client_ca = certificate, key or certificate, client_ca
        self.context = _bare(mutual=self.mutual)
        self.context.sni_callback = self._choose  # called where the client names no server, too
        self._newest = self.context

    @property
    def mutual(self) -> bool:
        """Whether callers must show a certificate."""
        return self._client_ca is not None

    @property
    def paths(self) -> Sequence[Path]:
        """The files to follow."""
        return [self._certificate, self._key, *([self._client_ca] if self._client_ca is not None else ())]

    def take(self, contents: Contents) -> None:
        """Use these from now on, the contents of `paths`; `CertificateUnreadable` where they are of no use."""
        pem = Pem(contents[0], contents[1], contents[2] if self.mutual else None)
        newest = _bare(mutual=self.mutual)
        try:
            newest.load_cert_chain(self._certificate, self._key, password=lambda: b"")  # asks nobody at a terminal
            if pem.client_ca is not None:
                newest.load_verify_locations(cadata=pem.client_ca.decode("ascii"))
        except (OSError, ValueError) as error:  # of which ssl's own is one
            told = "they must be a certificate and its own, unencrypted key"
            authority = ", and the authority of clients' certificates" if self.mutual else ""
            raise CertificateUnreadable(f"{told}{authority}: {error}") from None
        self.pem, self._newest = pem, newest

    def _choose(self, connection: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
        connection.context = self._newest


def _bare(*, mutual: bool) -> ssl.SSLContext:
    """TLS 1.2 or newer, as Python's own defaults have it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(["http/1.1"])
    if mutual:
        context.verify_mode = ssl.CERT_REQUIRED
        # A session that is resumed shows no certificate again, and would outlive the authority that signed it.
        context.options |= ssl.OP_NO_TICKET
        context.num_tickets = 0
    return context
