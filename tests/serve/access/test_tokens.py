"""Tokens of an issuer that really answers: which are good, which never are, and what happens as its keys change.

E-12: no signature at all, the public key taken for a secret, ended, another audience, another issuer, no key's id.
"""

import asyncio
import base64
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from structlog.testing import capture_logs

from serve.access import issuer
from serve.access.gate import Gate
from serve.access.issuer import Pace
from serve.access.scope import Need, Scope
from serve.access.tokens import Rules, Tokens
from tests.issuer import AUDIENCE, Issuer, generated, published

ALGORITHMS = ("RS256", "ES256", "EdDSA")
SCOPES = {f"pinion:{scope}": scope for scope in Scope}
RULES = Rules(AUDIENCE, ALGORITHMS, "scope", SCOPES)
QUICK = Pace(rule=60.0, failed=0.05, least=0.01)


@pytest.fixture(scope="module")
def theirs() -> Iterator[Issuer]:
    """One for the tests that change nothing about it."""
    with Issuer() as one:
        for algorithm in ALGORITHMS:
            one.have(algorithm, algorithm)
        yield one


@pytest.fixture
def own() -> Iterator[Issuer]:
    with Issuer() as one:
        one.have("first", "ES256")
        yield one


@asynccontextmanager
async def followed(theirs: Issuer, rules: Rules = RULES, pace: Pace = QUICK) -> AsyncIterator[tuple[Gate, Tokens]]:
    """The gate of a server that trusts this issuer, once it has its keys, where there are any to be had."""
    ours = issuer.Issuer(theirs.url, pace=pace)
    following = asyncio.create_task(ours.follow())
    tokens = Tokens(ours, rules)
    try:
        if theirs.keys:
            await until(lambda: bool(ours.keys))
        yield Gate(None, tokens), tokens
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)


async def until(happened: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while True:
            if happened():
                return
            await asyncio.sleep(0.005)  # a token is tried, and tells nobody that it would be good now


def predicts(gate: Gate, token: str) -> bool:
    return gate.admits([(b"authorization", b"Bearer " + token.encode())], Need.PREDICT)


def at_once(changed: dict[str, Any]) -> dict[str, Any]:
    """These claims, with the times that depend on when they are made."""
    return {name: value(time.time()) if callable(value) else value for name, value in changed.items()}


def unsigned(header: dict[str, Any], claims: dict[str, Any]) -> str:
    return ".".join(base64.urlsafe_b64encode(json.dumps(one).encode()).decode().rstrip("=") for one in (header, claims))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
async def test_a_good_token_is_good_in_each_algorithm(theirs: Issuer, algorithm: str) -> None:
    async with followed(theirs) as (gate, _):
        assert predicts(gate, theirs.token(algorithm))


@pytest.mark.parametrize(
    "changed",
    [
        {"exp": lambda now: now - 60},
        {"exp": None},
        {"exp": "tomorrow"},
        {"exp": 10**400},
        {"nbf": lambda now: now + 3600},
        {"aud": "another"},
        {"aud": ["another"]},
        {"aud": None},
        {"iss": "https://elsewhere.example"},
        {"iss": None},
        {"scope": "predict"},
        {"scope": "pinion:metrics"},
        {"scope": ""},
        {"scope": None},
        {"scope": {"pinion:predict": True}},
        {"scope": ["pinion:metrics", 7]},
    ],
    ids=", ".join,
)
async def test_a_token_that_says_something_else_opens_nothing(theirs: Issuer, changed: dict[str, Any]) -> None:
    async with followed(theirs) as (gate, _):
        assert not predicts(gate, theirs.token("ES256", **at_once(changed)))
        assert predicts(gate, theirs.token("ES256"))


@pytest.mark.parametrize(
    "changed",
    [
        {"aud": ["another", AUDIENCE]},
        {"scope": "openid pinion:predict"},
        {"scope": ["pinion:admin"]},
        {"nbf": None},
    ],
    ids=", ".join,
)
async def test_a_token_may_say_the_same_otherwise(theirs: Issuer, changed: dict[str, Any]) -> None:
    async with followed(theirs) as (gate, _):
        assert predicts(gate, theirs.token("ES256", **at_once(changed)))


async def test_clocks_may_differ_by_some_seconds(theirs: Issuer) -> None:
    async with followed(theirs) as (_, tokens):
        grant = tokens.grant(theirs.token("ES256", exp=int(time.time()) - 1).encode())
        assert grant is not None
        assert grant.until > time.time()


async def test_a_token_that_is_not_signed_as_it_must_be_opens_nothing(theirs: Issuer) -> None:
    claims, (_, key) = theirs.claims(), theirs.keys["RS256"]
    good = theirs.token("RS256")
    pem = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    told = unsigned({"alg": "HS256", "kid": "RS256"}, claims)
    signature = base64.urlsafe_b64encode(hmac.digest(pem, told.encode(), hashlib.sha256)).decode().rstrip("=")
    other = rsa.generate_private_key(65537, 2048)
    forged = jwt.encode(claims, other, "RS256", {"kid": "RS256", "jwk": published("RS256", other)})
    wrong = {
        "none": unsigned({"alg": "none", "kid": "RS256"}, claims) + ".",
        "None": unsigned({"alg": "NoNe", "kid": "RS256"}, claims) + ".",
        "none with a signature": unsigned({"alg": "none", "kid": "RS256"}, claims) + "." + good.split(".")[2],
        "the public key as a secret": f"{told}.{signature}",
        "no id of a key": jwt.encode(claims, theirs.keys["RS256"][1], "RS256"),
        "an id that is no text": unsigned({"alg": "RS256", "kid": 7}, claims) + "." + good.split(".")[2],
        "an algorithm that is not allowed": jwt.encode(claims, key, "PS256", {"kid": "RS256"}),
        "the algorithm of another key": jwt.encode(claims, key, "RS256", {"kid": "ES256"}),
        "a key that it brings itself": forged,
        "a signature cut short": good[:-8],
        "no signature": good.rpartition(".")[0] + ".",
        "other claims": ".".join((good.split(".")[0], told.split(".")[1][:-4] + "fQ", good.split(".")[2])),
        "critical extensions": jwt.encode(claims, key, "RS256", {"kid": "RS256", "crit": ["exp2"], "exp2": 1}),
        "nested too deep": "e30." + base64.urlsafe_b64encode(b"[" * 5000).decode() + ".e30",
        "a megabyte": good + "a" * 2**20,
        "no token": "a.b.c",
    }
    async with followed(theirs) as (gate, _):
        assert [name for name, token in wrong.items() if predicts(gate, token)] == []
        assert predicts(gate, good)


async def test_a_key_that_is_published_for_one_algorithm_is_for_no_other(own: Issuer) -> None:
    key = generated("RS256")
    own.extra = [published("one", key, alg="RS256")]
    async with followed(own, RULES._replace(algorithms=("RS256", "PS256"))) as (gate, _):
        assert predicts(gate, jwt.encode(own.claims(), key, "RS256", {"kid": "one"}))
        assert not predicts(gate, jwt.encode(own.claims(), key, "PS256", {"kid": "one"}))


async def test_claims_of_another_name_and_words_may_be_named(theirs: Issuer) -> None:
    rules = RULES._replace(scope_claim="roles", scopes={"Scorer": Scope.PREDICT})
    async with followed(theirs, rules) as (gate, _):
        assert predicts(gate, theirs.token("ES256", roles=["Scorer"]))
        assert not predicts(gate, theirs.token("ES256"))


async def test_a_key_that_is_rotated_in_is_found_and_one_rotated_out_opens_nothing(own: Issuer) -> None:
    async with followed(own) as (gate, _):
        old = own.token("first")
        assert predicts(gate, old)
        own.have("second", "RS256")
        new = own.token("second")
        assert not predicts(gate, new)
        await until(lambda: predicts(gate, new))
        assert predicts(gate, old)
        del own.keys["first"]
        own.have("third", "ES256")
        await until(lambda: predicts(gate, own.token("third")))
        assert not predicts(gate, old), "it is remembered beyond the key that it was signed with"


async def test_the_keys_known_go_on_while_the_issuer_is_down(own: Issuer) -> None:
    async with followed(own) as (gate, _):
        with capture_logs() as logged:
            own.down()
            predicts(gate, jwt.encode(own.claims(), generated("ES256"), "ES256", {"kid": "unknown"}))
            await until(lambda: any(one["log_level"] == "warning" for one in logged))
            assert predicts(gate, own.token("first"))
            own.up()
            own.have("second", "ES256")
            await until(lambda: predicts(gate, own.token("second")))
        assert len([one for one in logged if one["log_level"] == "warning"]) == 1


async def test_an_issuer_that_comes_up_later_is_found(own: Issuer) -> None:
    keys, token = own.keys, own.token("first")
    own.keys = {}
    own.down()
    async with followed(own) as (gate, _):
        assert not predicts(gate, token)
        own.keys = keys
        own.up()
        await until(lambda: predicts(gate, token))


async def test_however_many_unknown_keys_are_named_the_issuer_is_asked_now_and_then(own: Issuer) -> None:
    async with followed(own, pace=Pace(rule=60.0, failed=60.0, least=0.2)) as (gate, _):
        began, asked = time.monotonic(), own.asked
        for at in range(500):
            predicts(gate, jwt.encode(own.claims(), own.keys["first"][1], "ES256", {"kid": f"unknown-{at}"}))
            await asyncio.sleep(0.001)
        assert own.asked - asked <= (time.monotonic() - began) / 0.2 + 1


async def test_a_token_is_forgotten_when_it_ends(own: Issuer) -> None:
    async with followed(own) as (_, tokens):
        clock = [time.time()]
        gate = Gate(None, tokens, lambda: clock[0])
        token = own.token("first", exp=int(clock[0]) + 60)
        assert predicts(gate, token)
        clock[0] += 71
        assert not predicts(gate, token)
