"""API keys: what a file of them may hold, what a token opens, and what is never repeated."""

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from serve.access.gate import Gate
from serve.access.keys import Keys, make, read
from serve.access.scope import Grant, Need, Scope
from serve.errors import Forbidden, KeysUnreadable, Unauthenticated

DIGEST = "sha256:" + "0f" * 32


def made(*lines: str) -> Keys:
    keys = Keys()
    keys.take(("\n".join(lines).encode(),))
    return keys


def bearing(token: str) -> list[tuple[bytes, bytes]]:
    return [(b"host", b"here"), (b"authorization", b"Bearer " + token.encode())]


def test_a_token_opens_what_its_line_grants_and_the_line_does_not_hold_it() -> None:
    token, line = make("ci", frozenset({Scope.PREDICT, Scope.METRICS}), None)
    assert token not in line
    assert token.startswith("pinion_ci_")
    assert len(token) == len("pinion_ci_") + 43
    grant = made(line).grant(token.encode())
    assert grant is not None
    assert (grant.id, grant.opens) == ("ci", set(Need))


def test_no_two_tokens_are_alike() -> None:
    assert len({make("ci", frozenset({Scope.PREDICT}), None)[0] for _ in range(100)}) == 100


@pytest.mark.parametrize("id_", ["a", "a_b", "_".join("abc"), "x" * 64, "team.one-2"])
def test_an_id_may_look_like_part_of_a_token(id_: str) -> None:
    token, line = make(id_, frozenset({Scope.PREDICT}), None)
    grant = made(line).grant(token.encode())
    assert grant is not None
    assert grant.id == id_


def test_a_token_is_good_as_a_whole_only() -> None:
    token, line = make("ci", frozenset({Scope.PREDICT}), None)
    other, other_line = make("cd", frozenset({Scope.ADMIN}), None)
    keys = made(line, other_line)
    wrong = [
        "",
        "pinion_",
        "pinion_ci_",
        token[:-1],
        token + "a",
        token.upper(),
        token[:-1] + ("a" if token[-1] != "a" else "b"),
        token.replace("_ci_", "_cd_"),
        token.replace("pinion_ci", "pinion_none"),
        line.split()[2],
        line.split()[2].removeprefix("sha256:"),
        other[:-43] + token[-43:],
    ]
    assert [one for one in wrong if keys.grant(one.encode()) is not None] == []
    assert keys.grant(token.encode()) is not None


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("ci", "a key is an id"),
        (f"ci predict {DIGEST} until=2027-01-31 more", "a key is an id"),
        (f"-ci predict {DIGEST}", "an id is up to 64"),
        (f"c/i predict {DIGEST}", "an id is up to 64"),
        (f"{'x' * 65} predict {DIGEST}", "an id is up to 64"),
        (f"ci predict, {DIGEST}", "must name scopes, of predict, metrics, admin"),
        (f"ci everything {DIGEST}", "must name scopes"),
        ("ci predict pinion_ci_hunter2hunter2hunter2hunter2", "never the token itself"),
        (f"ci predict {DIGEST.upper()}", "sha256: and 64 digits"),
        (f"ci predict {DIGEST}0", "sha256: and 64 digits"),
        (f"ci predict {DIGEST} until=soon", "must be until= and a date"),
        (f"ci predict {DIGEST} 2027-01-31", "must be until= and a date"),
        (f"first admin {DIGEST}", "an earlier line has a key of the same id"),
        ("\udcff", "UTF-8"),
    ],
)
def test_a_line_that_is_no_key_is_named_and_never_repeated(line: str, told: str) -> None:
    data = f"# ours\n\nfirst predict {DIGEST}  # a comment\n{line}\n".encode(errors="surrogateescape")
    with pytest.raises(KeysUnreadable, match=told) as caught:
        read(data)
    assert "line 4" in caught.value.message or told == "UTF-8"
    assert "hunter2" not in caught.value.message
    assert "0f" * 8 not in caught.value.message


def test_a_file_of_comments_lets_nobody_in() -> None:
    assert len(made("# nobody yet", "", "   ")) == 0


@pytest.mark.parametrize(
    ("until", "last"),
    [
        ("2027-01-31", datetime(2027, 1, 31, 23, 59, 59, tzinfo=UTC)),
        ("2027-01-31T12:00:01Z", datetime(2027, 1, 31, 12, 0, 0, tzinfo=UTC)),
        ("2027-01-31T12:00:01", datetime(2027, 1, 31, 12, 0, 0, tzinfo=UTC)),
        ("2027-01-31T12:00:01+02:00", datetime(2027, 1, 31, 10, 0, 0, tzinfo=UTC)),
    ],
)
def test_a_key_ends_with_its_day_or_at_its_moment(until: str, last: datetime) -> None:
    token, line = make("ci", frozenset({Scope.PREDICT}), until)
    clock = [last.timestamp()]
    gate = Gate(made(line), None, lambda: clock[0])
    assert gate.admits(bearing(token), Need.PREDICT)
    clock[0] += 1
    assert not gate.admits(bearing(token), Need.PREDICT)


@pytest.mark.parametrize(
    ("scopes", "met"),
    [
        ({Scope.PREDICT}, {Need.NOTHING, Need.KNOWN, Need.PREDICT}),
        ({Scope.METRICS}, {Need.NOTHING, Need.KNOWN, Need.METRICS}),
        ({Scope.ADMIN}, set(Need)),
    ],
)
def test_a_scope_is_enough_for_its_routes_and_admin_for_all(scopes: set[Scope], met: set[Need]) -> None:
    token, line = make("ci", frozenset(scopes), None)
    gate = Gate(made(line), None)
    assert {need for need in Need if gate.admits(bearing(token), need)} == met
    for need in set(Need) - met:
        with pytest.raises(Forbidden, match=f"the scope '{need.value}'"):
            gate.require(bearing(token), need)


def test_who_shows_nothing_good_is_told_nothing_of_what_was_wrong() -> None:
    token, line = make("ci", frozenset({Scope.PREDICT}), None)
    gate = Gate(made(line), None)
    wrong: list[list[tuple[bytes, bytes]]] = [
        [],
        bearing(token) * 2,
        bearing("x" * 2**20),
        [(b"authorization", b"Basic " + token.encode())],
        [(b"authorization", token.encode())],
        [(b"authorization", b"Bearer")],
        [(b"authorization", b"Bearer ")],
        [(b"proxy-authorization", b"Bearer " + token.encode())],
        [(b"x-api-key", token.encode())],
        bearing("eyJhbGciOiJub25lIn0.e30."),
        bearing(token[:-1]),
        [(b"authorization", b"Bearer \xff\xfe")],
    ]
    told = set()
    for headers in wrong:
        with pytest.raises(Unauthenticated) as caught:
            gate.require(headers, Need.KNOWN)
        told.add(caught.value.message)
    assert len(told) == 1


class Anybody:
    """Knows every token that it is asked about."""

    def __init__(self) -> None:
        self.asked: list[int] = []
        self.changed: Callable[[], None] = lambda: None

    def grant(self, token: bytes) -> Grant:
        self.asked.append(len(token))
        return Grant("anybody", frozenset(Need))


def test_a_token_of_more_than_8_kib_is_not_even_looked_at() -> None:
    anybody = Anybody()
    gate = Gate(anybody, anybody)
    assert gate.admits(bearing("x" * 8000), Need.PREDICT)
    assert not gate.admits(bearing("x" * 8200), Need.PREDICT)
    assert not gate.admits(bearing("pinion_" + "x" * 2**20), Need.PREDICT)
    assert anybody.asked == [8000]


def test_who_was_let_in_is_remembered_until_what_is_known_changes_and_so_many_at_most() -> None:
    anybody = Anybody()
    gate = Gate(None, anybody)
    for _ in range(3):
        assert gate.admits(bearing("one"), Need.PREDICT)
    assert anybody.asked == [3]
    anybody.changed()
    assert gate.admits(bearing("one"), Need.PREDICT)
    assert anybody.asked == [3, 3]
    for at in range(5000):
        gate.admits(bearing(str(at)), Need.PREDICT)
    assert len(gate._let_in) == 4096


def test_a_key_that_is_removed_opens_nothing_from_then_on() -> None:
    (token, line), (other, other_line) = (make(id_, frozenset({Scope.PREDICT}), None) for id_ in ("ci", "cd"))
    keys = made(line, other_line)
    gate = Gate(keys, None)
    assert gate.admits(bearing(token), Need.PREDICT)
    keys.take((other_line.encode(),))
    assert not gate.admits(bearing(token), Need.PREDICT)
    assert gate.admits(bearing(other), Need.PREDICT)


@pytest.mark.parametrize("scheme", [b"Bearer ", b"bearer ", b"BEARER  "])
def test_the_name_of_the_scheme_may_be_written_anyhow(scheme: bytes) -> None:
    token, line = make("ci", frozenset({Scope.PREDICT}), None)
    assert Gate(made(line), None).admits([(b"authorization", scheme + token.encode())], Need.PREDICT)


def test_a_broken_file_leaves_the_keys_as_they_were() -> None:
    token, line = make("ci", frozenset({Scope.PREDICT}), None)
    keys = made(line)
    with pytest.raises(KeysUnreadable):
        keys.take((b"nonsense",))
    assert keys.grant(token.encode()) is not None


def test_the_digest_is_what_sha256sum_prints_for_the_token() -> None:
    token, line = make("ci", frozenset({Scope.PREDICT}), None)
    assert line.split()[2] == "sha256:" + hashlib.sha256(token.encode()).hexdigest()
