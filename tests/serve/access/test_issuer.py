"""What an issuer publishes: which keys of it verify something, and from where they are taken."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any, get_args

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from structlog.testing import capture_logs

from serve.access import documents, issuer
from serve.access.issuer import KINDS
from serve.errors import IssuerUnreachable
from serve.settings import Algorithm
from tests.issuer import Issuer, generated, published
from tests.serve.access.test_tokens import QUICK, until


@pytest.fixture
def own() -> Iterator[Issuer]:
    with Issuer() as one:
        yield one


@pytest.mark.parametrize(
    "unfit",
    [
        {"kty": "oct", "k": "c2VjcmV0", "kid": "unfit", "alg": "HS256"},
        {"kty": "oct", "k": "c2VjcmV0", "kid": "unfit"},
        published("unfit", generated("RS256"), use="enc"),
        {**published("unfit", generated("RS256")), "kid": None},
        {**published("unfit", generated("RS256")), "kid": 7},
        published("unfit", generated("ES256"), alg="RS256"),
        published("unfit", generated("ES256"), alg="none"),
        published("unfit", rsa.generate_private_key(65537, 1024)),
        {"kty": "RSA", "n": "!", "e": "AQAB", "kid": "unfit"},
        {"kty": "EC", "crv": "P-999", "x": "AA", "y": "AA", "kid": "unfit"},
        {"kid": "unfit"},
        7,
    ],
    ids=[f"unfit-{number}" for number in range(12)],
)
def test_a_published_key_that_verifies_nothing_is_left_out(unfit: Any) -> None:
    good = published("good", generated("ES256"))
    found = issuer.read(json.dumps({"keys": [unfit, good]}).encode())
    fitting = {kid for kid, key in found.items() if any(key.fits(algorithm) for algorithm in KINDS)}
    assert fitting == {"good"}


@pytest.mark.parametrize("document", [b"", b"<html>", b"[]", b'{"keys": {}}', b"\xff"])
def test_a_key_set_that_is_none_is_refused(document: bytes) -> None:
    with pytest.raises(IssuerUnreachable):
        issuer.read(document)


@pytest.mark.parametrize(
    "document",
    [{"issuer": "https://elsewhere.example"}, {"jwks_uri": None}, {"jwks_uri": "http://example.com/keys"}],
    ids=str,
)
async def test_keys_are_not_taken_from_elsewhere(own: Issuer, document: dict[str, Any]) -> None:
    own.document = document
    ours = issuer.Issuer(own.url, pace=QUICK)
    with capture_logs() as logged:
        following = asyncio.create_task(ours.follow())
        await until(lambda: bool(logged))
        following.cancel()
    assert ours.keys == {}
    assert own.asked == 0


@pytest.mark.parametrize(
    "url", ["http://example.com", "ftp://127.0.0.1", "file:///etc/passwd", "https://", "", "http://[::"]
)
def test_an_address_that_is_not_safe_is_not_asked(url: str) -> None:
    with pytest.raises(IssuerUnreachable):
        documents.require_safe(url)


def test_what_may_be_set_is_what_can_be_verified() -> None:
    assert set(get_args(Algorithm)) == set(KINDS)
    assert {one for one in KINDS if one.startswith("HS") or one.lower() == "none"} == set()
