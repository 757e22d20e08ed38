"""An issuer of tokens on loopback: a real HTTP server with a discovery document and keys that can be exchanged."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

AUDIENCE = "pinion"

Private = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


def generated(algorithm: str) -> Private:
    if algorithm == "EdDSA":
        return ed25519.Ed25519PrivateKey.generate()
    return ec.generate_private_key(ec.SECP256R1()) if algorithm == "ES256" else rsa.generate_private_key(65537, 2048)


def published(kid: str, key: Private, **more: Any) -> dict[str, Any]:
    """A key as a key set has it."""
    kind: Any = OKPAlgorithm
    if not isinstance(key, ed25519.Ed25519PrivateKey):
        kind = RSAAlgorithm if isinstance(key, rsa.RSAPrivateKey) else ECAlgorithm
    return {**json.loads(kind.to_jwk(key.public_key())), "kid": kid, "use": "sig", **more}


class Issuer:
    """Signs with the keys that `have` gave it; publishes them, and what else is in `extra`. `asked` counts key sets."""

    def __init__(self) -> None:
        self.keys: dict[str, tuple[str, Private]] = {}
        self.extra: list[dict[str, Any]] = []
        self.asked = 0
        self.document: dict[str, Any] = {}
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = issuer.answer(self.path)
                self.send_response(200 if body else 404)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None: ...

        self._handler = Handler
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_port
        self.url = f"http://127.0.0.1:{self.port}"
        self._serve()

    def __enter__(self) -> "Issuer":
        return self

    def __exit__(self, *_: object) -> None:
        self.down()

    def down(self) -> None:
        """Not there; nobody answers."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def up(self) -> None:
        """There again, at the same address."""
        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), self._handler)
        self._serve()

    def have(self, kid: str, algorithm: str) -> None:
        self.keys[kid] = (algorithm, generated(algorithm))

    def answer(self, path: str) -> bytes:
        if path == "/.well-known/openid-configuration":
            return json.dumps({"issuer": self.url, "jwks_uri": f"{self.url}/keys", **self.document}).encode()
        if path == "/keys":
            self.asked += 1
            return json.dumps({"keys": self.published()}).encode()
        return b""

    def published(self) -> list[dict[str, Any]]:
        """The key set's keys."""
        return [*(published(kid, key) for kid, (_, key) in self.keys.items()), *self.extra]

    def token(self, kid: str, **changed: Any) -> str:
        """A good token for /predict, but for what is `changed`; None leaves a claim out."""
        algorithm, key = self.keys[kid]
        return jwt.encode(self.claims(**changed), key, algorithm, headers={"kid": kid})

    def claims(self, **changed: Any) -> dict[str, Any]:
        now = time.time()
        told = {
            "iss": self.url,
            "aud": AUDIENCE,
            "sub": "ci",
            "exp": now + 600,
            "nbf": now - 1,
            "scope": "pinion:predict",
        }
        return {name: value for name, value in {**told, **changed}.items() if value is not None}

    def _serve(self) -> None:
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self._thread.start()
