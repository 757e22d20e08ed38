"""API keys: a text file, one a line, that holds no secret: `ID SCOPE[,SCOPE…] sha256:HEX [until=DATE]`.

In goes the file as bytes, out come keys by id; a line that is no key is refused by its number, and never repeated: it
may be a token, pasted by mistake. A token is `pinion_ID_` and 256 random bits, so one SHA-256 of it is as good as a
slow hash, and what it is compared with is found by its id. An unknown id is the same work as a known one.
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time

from serve.access.scope import Grant, Scope, opened
from serve.errors import KeysUnreadable

PREFIX = b"pinion_"

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_DIGEST = re.compile(r"sha256:([0-9a-f]{64})")
_SECRET_BYTES = 32
_SECRET_LENGTH = 43  # of that many bytes in base 64, without padding
_UNTIL = "until="


@dataclass(frozen=True, slots=True)
class Key:
    """The SHA-256 of a token, and what it grants."""

    digest: bytes
    grant: Grant


_NOBODY = Key(secrets.token_bytes(32), Grant("", frozenset(), 0.0))  # of no token: whom an unknown id is compared with


class Keys:
    """Those known now."""

    def __init__(self) -> None:
        self._keys: Mapping[bytes, Key] = {}
        self.changed: Callable[[], None] = lambda: None

    def take(self, contents: tuple[bytes, ...]) -> None:
        """The keys are these from now on; `KeysUnreadable` where the file is broken, and they are as before."""
        (self._keys,) = map(read, contents)
        self.changed()

    def __len__(self) -> int:
        return len(self._keys)

    def grant(self, token: bytes) -> Grant | None:
        """What a token grants, or None: whether its id, its secret or its form is wrong is not to be told."""
        key = self._keys.get(token[len(PREFIX) : -_SECRET_LENGTH - 1], _NOBODY)
        same = hmac.compare_digest(hashlib.sha256(token).digest(), key.digest)
        return key.grant if same else None


def read(data: bytes) -> Mapping[bytes, Key]:
    """The keys of a file by id, or `KeysUnreadable`."""
    try:
        lines = data.decode().splitlines()
    except UnicodeDecodeError:
        raise KeysUnreadable("it is not UTF-8") from None
    keys: dict[bytes, Key] = {}
    for number, line in enumerate(lines, 1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        try:
            key = _key(words)
        except ValueError as error:
            raise KeysUnreadable(f"line {number}: {error}") from None
        if key.grant.id.encode() in keys:
            raise KeysUnreadable(f"line {number}: an earlier line has a key of the same id")
        keys[key.grant.id.encode()] = key
    return keys


def make(id_: str, scopes: frozenset[Scope], until: str | None) -> tuple[str, str]:
    """A new key: the token, to be handed out once, and the line for the file. `ValueError` where a part is wrong."""
    token = f"{PREFIX.decode()}{id_}_{secrets.token_urlsafe(_SECRET_BYTES)}"
    digest = hashlib.sha256(token.encode()).hexdigest()
    words = [id_, ",".join(sorted(scopes)), f"sha256:{digest}", *([f"{_UNTIL}{until}"] if until else ())]
    _key(words)
    return token, " ".join(words)


def _key(words: list[str]) -> Key:
    """The key in the words of a line; `ValueError` says what is wrong, without repeating it."""
    if len(words) not in (3, 4):
        raise ValueError("a key is an id, its scopes with commas between, sha256:… and perhaps until=…")
    id_, scopes, digest, *until = words
    if not _ID.fullmatch(id_):
        raise ValueError(
            "an id is up to 64 letters, digits, dots, dashes and underscores, and begins with none of these"
        )
    found = _DIGEST.fullmatch(digest)
    if found is None:
        raise ValueError(
            "the third word must be sha256: and 64 digits, 0 to 9 and a to f; it is never the token itself"
        )
    grant = Grant(id_, opened(_scopes(scopes)), *map(_end, until))
    return Key(bytes.fromhex(found[1]), grant)


def _scopes(told: str) -> frozenset[Scope]:
    try:
        return frozenset(map(Scope, told.split(",")))
    except ValueError:
        raise ValueError(f"the second word must name scopes, of {', '.join(Scope)}, with commas between") from None


def _end(told: str) -> float:
    """When a key ends: at a moment, in UTC where no zone is said, or with a whole day."""
    try:
        if not told.startswith(_UNTIL):
            raise ValueError
        end = datetime.fromisoformat(told.removeprefix(_UNTIL))
    except ValueError:
        raise ValueError("the fourth word must be until= and a date as in 2027-01-31 or 2027-01-31T12:00Z") from None
    if len(told) == len(_UNTIL) + len("2027-01-31"):
        end = datetime.combine(end.date(), time.max)
    return (end if end.tzinfo else end.replace(tzinfo=UTC)).timestamp()
