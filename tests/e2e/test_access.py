"""Who is let in, against a real server with keys, an issuer, gRPC and a control port (E-12, E-13).

One server for all of it. What it must never do is let somebody in by mistake, or say why it did not.
"""

import asyncio
import json
import re
import socket
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import grpc
import httpx
import jwt
import pytest

from serve.access.scope import Need
from serve.front import console
from serve.front.console import Console
from serve.front.grpc import open_inference_pb2 as messages
from serve.front.needs import CONTROL, NEEDS
from tests.e2e.conftest import Repository
from tests.e2e.guarded import BODY, Guarded, code, new_key, raw, seconds_until
from tests.e2e.server import Server
from tests.e2e.test_command import run
from tests.forms import FULL, TIMED, within
from tests.issuer import AUDIENCE, Issuer
from tests.serve.access.welch import welch

SECRETS = re.compile(r"Traceback|File \"|/tmp/|\.py|hunter2|sha256|keys\.txt|jwt|kid|expired|signature", re.IGNORECASE)


@pytest.fixture(scope="module")
def guarded(promoted: Repository, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    promoted.checkout(1)
    file = tmp_path_factory.mktemp("access") / "keys.txt"
    tokens = {scope: new_key(file, scope, scope) for scope in ("predict", "metrics", "admin")}
    with Issuer() as issuer:
        issuer.have("first", "RS256")
        settings = {"auth__keys": file, "auth__issuer": issuer.url, "auth__audience": AUDIENCE, "log_level": "debug"}
        with Server(promoted.folder, promoted.state, http__grpc_port=0, http__control_port=0, **settings) as server:
            server.ready().wait("keys of the issuer read")
            yield Guarded(server, file, tokens, issuer)
            assert not [one for one in server.events if any(token in json.dumps(one) for token in tokens.values())]


def test_a_key_is_shown_once_and_its_file_holds_no_secret(tmp_path: Path) -> None:
    file = tmp_path / "keys.txt"
    token = new_key(file, "ci", "predict", "metrics")
    assert re.fullmatch(r"pinion_ci_[A-Za-z0-9_-]{43}", token)
    assert re.fullmatch(r"ci metrics,predict sha256:[0-9a-f]{64}\n", file.read_text())
    assert file.stat().st_mode & 0o777 == 0o600
    shown = run("key", "new", "other", "--scope", "admin", "--until", "2099-01-31")
    assert shown.stdout.startswith("pinion_other_")
    assert re.fullmatch(r"other admin sha256:[0-9a-f]{64} until=2099-01-31\n", shown.stderr)
    again = run("key", "new", "ci", "--scope", "admin", "--file", str(file))
    assert (again.returncode, again.stdout) == (2, "")
    assert "an earlier line has a key of the same id" in again.stderr
    assert file.read_text().count("\n") == 1


def test_who_is_known_is_let_in_for_what_it_may_and_nothing_else(guarded: Guarded) -> None:
    may = {"predict": (200, 403), "metrics": (403, 200), "admin": (200, 200)}
    for id_, expected in may.items():
        metrics = httpx.get(f"{guarded.control}/metrics", headers=guarded.bearer(id_))
        assert (guarded.predict(**guarded.bearer(id_)).status_code, metrics.status_code) == expected
    assert guarded.predict(authorization=f"Bearer {guarded.issuer.token('first')}").status_code == 200


def test_every_route_asks_for_what_the_table_says(guarded: Guarded) -> None:
    version = (
        guarded.server.process.pid
        and httpx.get(f"{guarded.control}/models", headers=guarded.bearer("admin")).json()["models"]["oracle"][
            "revision"
        ]
    )
    for route, need in NEEDS.items():
        names = {"name": "oracle", "version": version, "revision": version, "files": Console().version, "rest:path": ""}
        path = route.replace("{name}", "main.js") if route == console.FILES else route
        path = path.format(**names) if "rest" not in route else "/v2/nowhere"
        path = f"{path}/swagger-ui.css" if route.startswith("/static") else path
        for base, there in ((guarded.control, True), (guarded.data, route not in CONTROL)):
            method = "POST" if need is Need.PREDICT or path.endswith("/index") else "GET"
            bare = httpx.request(method, base + path)
            known = httpx.request(method, base + path, headers=guarded.bearer("metrics"))
            if not there or "rest" in route:
                assert (bare.status_code, known.status_code) == (404, 404), path
            elif need is Need.NOTHING:
                assert (bare.status_code, known.status_code) == (200, 200), path
            else:
                assert bare.status_code == 401, path
                assert bare.headers["www-authenticate"] == 'Bearer realm="pinion"'
                assert known.status_code == (403 if need is Need.PREDICT else 200), path
            told = re.sub(r"\"(GET|POST) [^\"]*\"", "", bare.text) if bare.status_code != 200 else ""
            assert "oracle" not in told, path
            assert not SECRETS.search(told), told


@pytest.mark.parametrize(
    ("path", "shape"),
    [
        ("/predict", {"title", "status", "code", "detail", "request_id"}),
        ("/invocations", {"error_code", "message"}),
        ("/v2/models/oracle/infer", {"error"}),
        ("/v2/models/oracle", {"error"}),
    ],
)
def test_a_refusal_has_the_shape_of_its_dialect(guarded: Guarded, path: str, shape: set[str]) -> None:
    for headers in ({}, guarded.bearer("metrics")):
        answer = httpx.request("POST" if path != "/v2/models/oracle" else "GET", guarded.data + path, headers=headers)
        if answer.status_code != 200:
            assert set(answer.json()) == shape


def wrong_headers(guarded: Guarded) -> dict[str, list[tuple[str, str]]]:
    """E-12's matrix, by what is wrong; a header that comes twice is no request at all, whoever asks."""
    token, issuer = guarded.tokens["predict"], guarded.issuer
    _, key = issuer.keys["first"]
    now = time.time()

    def bearer(told: str) -> list[tuple[str, str]]:
        return [("authorization", f"Bearer {told}")]

    none = jwt.encode(issuer.claims(), None, "none", {"kid": "first"})
    return {
        "none at all": [],
        "a bad key": bearer(token[:-1] + ("a" if token[-1] != "a" else "b")),
        "an unknown id": bearer(token.replace("predict", "nobody")),
        "an id alone": bearer("pinion_predict_"),
        "the hash of a key": bearer(guarded.file.read_text().split()[2]),
        "a key of other letters": bearer(token.upper()),
        "two in one header": bearer(f"{token}, Bearer {token}"),
        "a long token": bearer("x" * 20_000),
        "another scheme": [("authorization", f"Basic {token}")],
        "no scheme": [("authorization", token)],
        "another header": [("x-api-key", token), ("proxy-authorization", f"Bearer {token}"), ("cookie", token)],
        "no signature (alg none)": bearer(none),
        "a token that ended": bearer(issuer.token("first", exp=now - 60)),
        "a token of tomorrow": bearer(issuer.token("first", nbf=now + 3600)),
        "another audience": bearer(issuer.token("first", aud="another")),
        "another issuer": bearer(issuer.token("first", iss="http://127.0.0.1:1")),
        "a token without the id of its key": bearer(jwt.encode(issuer.claims(), key, "RS256")),
        "a token of an unknown key": bearer(jwt.encode(issuer.claims(), key, "RS256", {"kid": "other"})),
    }


def test_e12_whoever_shows_nothing_good_gets_one_and_the_same_answer(guarded: Guarded) -> None:
    matrix = wrong_headers(guarded)
    assert len(matrix) == 18
    answers = {
        name: httpx.post(f"{guarded.data}/predict", json=BODY, headers=[*headers, ("x-request-id", "same")])
        for name, headers in matrix.items()
    }
    assert {name for name, one in answers.items() if one.status_code != 401} == set()
    assert len({one.content for one in answers.values()}) == 1
    assert {tuple(sorted(set(one.headers) - {"date"})) for one in answers.values()} == {
        ("content-length", "content-type", "www-authenticate", "x-request-id")
    }


def test_e12_of_two_headers_none_is_read(guarded: Guarded) -> None:
    good = ("authorization", f"Bearer {guarded.tokens['predict']}")
    for headers in ([good, good], [("authorization", "Bearer x"), good]):
        answer = httpx.post(f"{guarded.data}/predict", json=BODY, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (400, "malformed_request")


def test_e12_a_megabyte_of_a_token_opens_nothing_and_harms_nobody(guarded: Guarded) -> None:
    host, port = guarded.data.removeprefix("http://").split(":")
    with closing(socket.create_connection((host, int(port)), 10)) as caller:
        head = b"POST /predict HTTP/1.1\r\nhost: here\r\ncontent-length: 0\r\nauthorization: Bearer "
        try:
            caller.sendall(head + b"x" * 2**20 + b"\r\n\r\n")
            line = caller.recv(65536).split(b"\r\n")[0]
        except ConnectionError:
            line = b"HTTP/1.1 431"
        assert line.split()[1] in (b"400", b"401", b"431"), line
    assert guarded.predict(**guarded.bearer("predict")).status_code == 200


def test_e12_no_token_is_read_from_an_address_or_a_body(guarded: Guarded) -> None:
    token = guarded.tokens["admin"]
    for where in (f"?access_token={token}", f"?token={token}&authorization=Bearer+{token}", f";access_token={token}"):
        assert httpx.post(f"{guarded.data}/predict{where}", json=BODY).status_code in (401, 404)
    form = httpx.post(f"{guarded.data}/predict", data={"access_token": token})
    assert form.status_code == 401


@TIMED
def test_e12_a_key_opens_within_5_seconds_and_once_removed_opens_nothing_even_where_connected(guarded: Guarded) -> None:
    token = new_key(guarded.file, "short", "predict")
    with httpx.Client(headers={"authorization": f"Bearer {token}"}) as kept:
        opened = seconds_until(lambda: kept.post(f"{guarded.data}/predict", json=BODY).status_code == 200)
        lines = [line for line in guarded.file.read_text().splitlines() if not line.startswith("short ")]
        guarded.file.write_text("\n".join(lines) + "\n")
        revoked = seconds_until(lambda: kept.post(f"{guarded.data}/predict", json=BODY).status_code == 401)
    assert max(opened, revoked) <= within(5.0), (opened, revoked)
    assert guarded.predict(**guarded.bearer("predict")).status_code == 200


def test_a_broken_or_vanished_file_keeps_the_keys_known_and_is_said_once(guarded: Guarded) -> None:
    whole, said = guarded.file.read_text(), "access unreadable: what was known before goes on"
    before = guarded.server.count(said)
    try:
        guarded.file.write_text(whole + "broken line\n")
        told = guarded.server.wait(said, before + 1, 20.0)
        assert "line 4: a key is an id" in told["reason"]
        assert guarded.predict(**guarded.bearer("predict")).status_code == 200
        guarded.file.unlink()
        guarded.server.wait(said, before + 2, 20.0)
        assert guarded.predict(**guarded.bearer("predict")).status_code == 200
    finally:
        read = guarded.server.count("access read anew")
        guarded.file.write_text(whole)
        guarded.server.wait("access read anew", read + 1, 20.0)
    assert guarded.server.count(said) == before + 2


def test_tokens_of_a_key_that_is_rotated_in_are_let_in_soon(guarded: Guarded) -> None:
    guarded.issuer.have("second", "ES256")
    token = guarded.issuer.token("second")
    assert guarded.predict(authorization=f"Bearer {token}").status_code == 401
    seconds_until(lambda: guarded.predict(authorization=f"Bearer {token}").status_code == 200)


def test_who_is_not_let_in_learns_whether_to_send_requests_and_nothing_more(guarded: Guarded) -> None:
    for base in (guarded.data, guarded.control):
        assert httpx.get(f"{base}/health/ready").json() == {"ready": True, "stopping": False}
        told = httpx.get(f"{base}/health/ready", headers=guarded.bearer("metrics")).json()
        assert set(told["models"]) == {"oracle"}


@pytest.mark.parametrize(
    "path",
    ["/models", "/metrics", "/docs", "/openapi.json", "/redoc", "/", "/static-offline-docs/x", "/console/x/main.js"],
)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "QUERY"])
def test_e13_the_data_port_has_no_control_whatever_the_method_and_the_key(
    guarded: Guarded, path: str, method: str
) -> None:
    override = {"x-http-method-override": "GET", "x-forwarded-prefix": "/", "x-original-url": path}
    for target in (path, path.upper() if path != "/" else "//", f"/.{path}", f"/health/..{path}", f"{path}%2f"):
        answer = raw(guarded.data, method, target, {**guarded.bearer("admin"), **override})
        assert answer in (404, 307, 400), (target, answer)
        assert answer != 307 or target != path


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "QUERY", "CONNECT"])
def test_e13_another_method_is_no_way_in(guarded: Guarded, method: str) -> None:
    override = {"x-http-method-override": "POST", "x-method-override": "POST", "content-type": "application/json"}
    assert raw(guarded.data, method, "/predict", override) in (401, 405)
    assert raw(guarded.data, method, "/predict", {**override, **guarded.bearer("admin")}) == 405
    assert raw(guarded.data, method, "/models/oracle/invocations", guarded.bearer("admin")) == 405


def test_grpc_asks_the_same(guarded: Guarded) -> None:
    infer = messages.ModelInferRequest(model_name="oracle")
    tensor = infer.inputs.add(name="x", datatype="FP64", shape=[1])
    tensor.contents.fp64_contents.append(1.0)
    known, may = guarded.bearer("metrics"), guarded.bearer("predict")
    with grpc.insecure_channel(guarded.grpc) as channel:
        for name, open_ in (("ServerLive", True), ("ServerReady", True), ("ServerMetadata", False)):
            asked = getattr(messages, f"{name}Request")()
            assert code(channel, name, asked, {}) == ("OK" if open_ else "UNAUTHENTICATED")
            assert code(channel, name, asked, known) == "OK"
        for name in ("ModelReady", "ModelMetadata"):
            asked = getattr(messages, f"{name}Request")(name="oracle")
            assert (code(channel, name, asked, {}), code(channel, name, asked, known)) == ("UNAUTHENTICATED", "OK")
        assert code(channel, "ModelInfer", infer, {}) == "UNAUTHENTICATED"
        assert code(channel, "ModelInfer", infer, known) == "PERMISSION_DENIED"
        assert code(channel, "ModelInfer", infer, may) == "OK"
        assert code(channel, "ModelInfer", b"\xff", {}) == "UNAUTHENTICATED"  # before anything of it is read


@FULL
@pytest.mark.timeout(900)
def test_e12_how_long_a_refusal_takes_does_not_tell_known_ids_from_unknown(guarded: Guarded) -> None:
    """10,000 samples of each over one connection; Welch's t tells them apart no better than chance would."""
    token = guarded.tokens["predict"]
    known, unknown = token[:-1] + ("a" if token[-1] != "a" else "b"), token.replace("predict", "perdict")

    async def samples() -> tuple[list[float], list[float]]:
        times: tuple[list[float], list[float]] = ([], [])
        async with httpx.AsyncClient() as client:
            for at in range(20_200):
                which = at % 2
                headers = {"authorization": f"Bearer {(known, unknown)[which]}"}
                began = time.perf_counter()
                answer = await client.get(f"{guarded.control}/models", headers=headers)
                times[which].append(time.perf_counter() - began)
                assert answer.status_code == 401
        return times[0][100:], times[1][100:]

    p = welch(*asyncio.run(samples()))
    assert p > 0.01, p
