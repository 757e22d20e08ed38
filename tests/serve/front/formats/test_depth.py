"""Row E-8: a body's depth is found whatever is in its strings, in little time, and refused before it is parsed."""

import time

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serve.errors import TooDeep
from serve.front.formats.depth import MOST, require_shallow
from serve.front.formats.mlflow_json import document
from tests.forms import TIMED, within


def too_deep(body: bytes) -> bool:
    try:
        require_shallow(body)
    except TooDeep:
        return True
    return False


def lists(depth: int) -> bytes:
    return b"[" * depth + b"]" * depth


def objects(depth: int) -> bytes:
    return b'{"a":' * depth + b"1" + b"}" * depth


def mixed(depth: int) -> bytes:
    return b"".join([b"[", b'{"]}":'][at % 2] for at in range(depth)) + b"1"


def among_others(depth: int) -> bytes:
    """Each level behind neighbours as deep as the next, and a string of brackets."""
    return b'["]]]]\\"]]", {}, [1, 2], ' * (depth - 1) + b"1" + b"]" * (depth - 1)


@pytest.mark.parametrize("make", [lists, objects, mixed, among_others])
@pytest.mark.parametrize("padding", [0, 2**16 - 30, 2**17])
def test_a_body_may_be_so_deep_and_no_deeper(make: object, padding: int) -> None:
    for depth, told in ((MOST - 1, False), (MOST, True), (10**5, True)):
        assert too_deep(b'["' + b"x" * padding + b'",' + make(depth) + b"]") is told  # type: ignore[operator]


@pytest.mark.parametrize(
    "body",
    [
        b"[" + b"[1,2]," * 10**5 + b"[1]]",
        b"[" + b'{"a": [1], "b": {}}, ' * 10**4 + b"1]",
        orjson.dumps(["[" * 1000, '"[[[' * 100, "\\" * 99 + "[" * 99, '\\"' * 99 + "{" * 99, {"[" * 99: "{" * 99}]),
        b'["' + b"\\\\" * 3 + b'", "' + b"[" * 100 + b'"]',
    ],
    ids=["rows", "records", "brackets in strings", "strings that end in a backslash"],
)
def test_what_is_wide_or_in_strings_is_not_deep(body: bytes) -> None:
    assert not too_deep(body)
    orjson.loads(body)


trees = st.recursive(
    st.text('[]{}"\\a\n', max_size=5) | st.integers(0, 9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text('[]{}"\\', max_size=3), inner, max_size=3),
    max_leaves=20,
)


def depth(value: object) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if inner is None else 1 + max(map(depth, inner), default=0)


@given(trees, st.integers(MOST - 8, MOST + 8))
def test_the_depth_is_that_of_what_is_parsed(tree: object, levels: int) -> None:
    for _ in range(levels):
        tree = [tree, ["]}"]]
    assert too_deep(orjson.dumps(tree)) is (depth(tree) > MOST)


@TIMED
@pytest.mark.parametrize("make", [lists, objects, mixed])
def test_a_body_of_a_million_levels_is_refused_at_once(make: object) -> None:
    body = make(10**6)  # type: ignore[operator]
    began = time.perf_counter()
    with pytest.raises(TooDeep) as told:
        document(body)
    assert time.perf_counter() - began < within(0.05)
    assert told.value.code == "too_deep"
