"""TLS and mutual TLS against a real server, over HTTPS and gRPC, and certificates renewed while it runs (E-21)."""

import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import grpc
import httpx
import pytest

from serve.front.grpc import open_inference_pb2 as messages
from tests.certificates import Authority, Pair
from tests.e2e.conftest import Repository
from tests.e2e.guarded import BODY, code, seconds_until
from tests.e2e.server import Server
from tests.forms import TIMED, needs, within

pytestmark = needs("openssl")


class Secured:
    """A server that shows a certificate and asks for one; and those of both sides."""

    def __init__(self, server: Server, folder: Path, ours: Authority, theirs: Authority) -> None:
        self.server, self.folder, self.ours, self.theirs = server, folder, ours, theirs
        self.client = theirs.issue("client").write(folder, "client")

    @property
    def port(self) -> int:
        return int(self.server.url.rsplit(":", 1)[1])

    @property
    def url(self) -> str:
        """As its certificate names it."""
        return f"https://127.0.0.1:{self.port}"

    def context(self, client: tuple[Path, Path] | None = None) -> ssl.SSLContext:
        """What a client trusts and shows."""
        context = ssl.create_default_context(cadata=self.ours.pem.decode())
        if client is not None:
            context.load_cert_chain(*client)
        return context

    def predict(self, client: tuple[Path, Path] | None) -> int:
        return httpx.post(f"{self.url}/predict", json=BODY, verify=self.context(client)).status_code

    def connected(self, client: tuple[Path, Path]) -> ssl.SSLSocket:
        plain = socket.create_connection(("127.0.0.1", self.port), 10)
        return self.context(client).wrap_socket(plain, server_hostname="127.0.0.1")

    def shown(self) -> bytes:
        """The certificate that a new connection is shown."""
        with closing(self.connected(self.client)) as connection:
            return connection.getpeercert(binary_form=True) or b""

    def openssl(self, *options: str) -> str:
        """What `openssl s_client` says of a handshake."""
        command = ["openssl", "s_client", "-connect", f"127.0.0.1:{self.port}", "-brief", *options]
        shows = ["-cert", str(self.client[0]), "-key", str(self.client[1])]
        done = subprocess.run([*command, *shows], input="", capture_output=True, text=True, timeout=20)
        return done.stdout + done.stderr


def der(pair: Pair) -> bytes:
    return ssl.PEM_cert_to_DER_cert(pair.certificate.decode())


@pytest.fixture(scope="module")
def secured(promoted: Repository, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    promoted.checkout(1)
    folder, ours, theirs = tmp_path_factory.mktemp("tls"), Authority("ours"), Authority("theirs")
    certificate, key = ours.issue("server").write(folder, "server")
    (folder / "clients.pem").write_bytes(theirs.pem)
    files = {"tls_certificate": certificate, "tls_key": key, "tls_client_ca": folder / "clients.pem"}
    settings = {f"http__{name}": path for name, path in files.items()}
    with Server(promoted.folder, promoted.state, http__grpc_port=0, http__host="0.0.0.0", **settings) as server:
        yield Secured(server.ready(), folder, ours, theirs)


def test_as_it_starts_the_log_names_addresses_of_https_and_warns_of_nothing(secured: Secured) -> None:
    assert secured.server.url.startswith("https://")
    events = secured.server.events
    start = events[: events.index(secured.server.wait("release live"))]  # what came later is other tests' doing
    assert [one for one in start if one.get("level") == "warning"] == []


def test_e21_only_who_shows_a_certificate_of_the_authority_is_let_in(secured: Secured, tmp_path: Path) -> None:
    assert secured.predict(secured.client) == 200
    for client in (None, Authority("theirs").issue("client").write(tmp_path, "forged")):
        with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError, httpx.ConnectError)):
            secured.predict(client)
    with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
        httpx.get(secured.url.replace("https", "http"))
    assert secured.predict(secured.client) == 200


@pytest.mark.parametrize(
    ("options", "taken"),
    [
        (["-tls1", "-cipher", "ALL:@SECLEVEL=0"], False),
        (["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"], False),
        (["-tls1_2"], True),
        (["-tls1_3"], True),
        (["-tls1_2", "-cipher", "NULL:aNULL:RC4:3DES:@SECLEVEL=0"], False),
    ],
    ids=lambda value: str(value),
)
def test_e21_no_older_tls_than_1_2_is_spoken(secured: Secured, options: list[str], taken: bool) -> None:
    told = secured.openssl(*options)
    assert ("CONNECTION ESTABLISHED" in told) is taken, told


def test_grpc_asks_for_the_same_certificates(secured: Secured, tmp_path: Path) -> None:
    address = str(secured.server.wait("listening for gRPC")["address"]).replace("0.0.0.0", "127.0.0.1")
    forged = Authority("theirs").issue("client").write(tmp_path, "forged")
    for client, told in ((secured.client, "OK"), (None, "UNAVAILABLE"), (forged, "UNAVAILABLE")):
        certificate, key = (one.read_bytes() for one in client) if client is not None else (None, None)
        credentials = grpc.ssl_channel_credentials(secured.ours.pem, key, certificate)
        with grpc.secure_channel(address, credentials) as channel:
            assert code(channel, "ServerReady", messages.ServerReadyRequest(), {}) == told


@TIMED
def test_e21_a_renewed_certificate_is_shown_within_5_seconds_and_drops_no_connection(secured: Secured) -> None:
    context = secured.context(secured.client)
    with httpx.Client(verify=context) as kept, closing(secured.connected(secured.client)) as connection:
        assert kept.get(f"{secured.url}/health/live").status_code == 200
        renewed = secured.ours.issue("server")
        renewed.write(secured.folder, "server")
        assert seconds_until(lambda: secured.shown() == der(renewed)) <= within(5.0)
        connection.sendall(b"GET /health/live HTTP/1.1\r\nhost: here\r\n\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 200")
        assert kept.get(f"{secured.url}/health/live").status_code == 200


def test_e21_a_certificate_without_its_key_changes_nothing_and_is_said_once(secured: Secured) -> None:
    before, said = secured.shown(), "access unreadable: what was known before goes on"
    good, count = (secured.folder / "server.crt").read_bytes(), secured.server.count(said)
    try:
        (secured.folder / "server.crt").write_bytes(secured.ours.issue("server").certificate)
        told = secured.server.wait(said, count + 1, 20.0)
        assert "unencrypted key" in told["reason"]
        assert secured.shown() == before
    finally:
        read = secured.server.count("access read anew")
        (secured.folder / "server.crt").write_bytes(good)
        secured.server.wait("access read anew", read + 1, 20.0)
    assert (secured.shown(), secured.server.count(said)) == (before, count + 1)


def test_e21_an_authority_that_is_taken_away_lets_nobody_in_any_more(secured: Secured, tmp_path: Path) -> None:
    file, other = secured.folder / "clients.pem", Authority("others")
    read = secured.server.count("access read anew")
    file.write_bytes(other.pem)
    try:
        secured.server.wait("access read anew", read + 1, 20.0)
        assert secured.predict(other.issue("client").write(tmp_path, "other")) == 200
        with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError, httpx.ConnectError)):
            secured.predict(secured.client)
    finally:
        file.write_bytes(secured.theirs.pem)
        secured.server.wait("access read anew", read + 2, 20.0)
    assert secured.predict(secured.client) == 200


def test_no_session_is_resumed_past_a_client_s_certificate(secured: Secured) -> None:
    with closing(secured.connected(secured.client)) as connection:
        connection.sendall(b"GET /health/live HTTP/1.1\r\nhost: here\r\n\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 200")
        session = connection.session
        assert session is None or not session.has_ticket


@TIMED
def test_who_connects_and_says_nothing_is_hung_up_on(secured: Secured) -> None:
    with closing(socket.create_connection(("127.0.0.1", secured.port), 30)) as silent:
        silent.settimeout(30)

        def gone() -> bool:
            try:
                return silent.recv(1) == b""
            except ConnectionError:
                return True

        assert seconds_until(gone) <= within(6.0)


@TIMED
def test_a_server_ends_in_time_whatever_tls_clients_do_not_say(promoted: Repository, tmp_path: Path) -> None:
    authority = Authority()
    certificate, key = authority.issue("server").write(tmp_path, "server")
    whole = tmp_path / "whole.pem"
    whole.write_bytes(certificate.read_bytes() + key.read_bytes())
    with Server(promoted.folder, promoted.state, http__tls_certificate=whole) as server:
        url = server.ready().url
        context = ssl.create_default_context(cadata=authority.pem.decode())
        with closing(socket.create_connection(("127.0.0.1", int(url.rsplit(":", 1)[1])), 10)) as plain:
            held = context.wrap_socket(plain, server_hostname="127.0.0.1", suppress_ragged_eofs=False)
            held.sendall(b"GET /health/live HTTP/1.1\r\nhost: here\r\n\r\n")
            assert held.recv(65536).startswith(b"HTTP/1.1 200")
            assert seconds_until(lambda: server.stop() == 0) <= within(5.0)
            held.close()
