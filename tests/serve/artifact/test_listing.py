"""Row A-14: DVC's listing of the pinned folder is read strictly before DVC sees it."""

import json
import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from serve.artifact import listing
from serve.artifact.pin import Pin, PinnedModel
from serve.errors import ListingRefused
from tests.forms import within

MD5 = "0123456789abcdef0123456789abcdef"
DIGEST = "sha256:" + "5f" * 32


def pinning(files: int) -> Pin:
    return Pin(MD5 + ".dir", 1, files, (PinnedModel("digits", DIGEST), PinnedModel("tumours", DIGEST)))


def entry(path: str, md5: str = MD5) -> dict[str, str]:
    return {"md5": md5, "relpath": path}


def written(*entries: object) -> bytes:
    """As `dvc add` writes it, but that nothing is sorted."""
    return json.dumps(entries).encode()


def test_what_dvc_add_writes_is_read_as_md5s_by_path() -> None:
    data = written(entry("digits/a b/é"), entry("digits/model/MLmodel"), entry("tumours/x", "f" * 32))
    assert listing.parse(data, pinning(3)) == {"digits/a b/é": MD5, "digits/model/MLmodel": MD5, "tumours/x": "f" * 32}


PATHS = {
    "upwards": ("digits/../../../etc/cron.d/x", "no plain path"),
    "upwards at once": ("../canary", "no plain path"),
    "upwards at the end": ("digits/..", "no plain path"),
    "absolute": ("/etc/passwd", "no plain path"),
    "absolute behind a model": ("digits//etc/passwd", "no plain path"),
    "here": ("digits/./x", "no plain path"),
    "empty": ("", "no plain path"),
    "a folder": ("digits/x/", "no plain path"),
    "a backslash": ("digits\\..\\x", "a character that no path may have"),
    "a line end": ("digits/x\ny", "a character that no path may have"),
    "a NUL": ("digits/x\0", "a character that no path may have"),
    "an escape": ("digits/\x1b[2J", "a character that no path may have"),
    "half a surrogate pair": ("digits/\ud800", "a character that no path may have"),
    "another folder": (".dvc/config", "in no model that the pin names"),
    "another model": ("iris/model", "in no model that the pin names"),
    "the folder of a model itself": ("digits", "in no model that the pin names"),
    "long": ("digits/" + "/".join(["x" * 200] * 6), "over 1024 bytes"),
    "a long segment": ("digits/" + "x" * 256, "no plain path"),
    "a long segment in bytes": ("digits/" + "é" * 130, "no plain path"),
    "deep": ("digits" + "/x" * 32, "over 32 folders deep"),
}


@pytest.mark.parametrize(("path", "told"), PATHS.values(), ids=PATHS.keys())
def test_a14_a_path_that_is_not_plainly_below_a_model_is_refused(path: str, told: str) -> None:
    refused(written(entry(path)), 1, told)


OTHERS: dict[str, tuple[bytes, int, str]] = {
    "an md5 that climbs": (written(entry("digits/x", "../../" + "a" * 26)), 1, "not 32 hex digits"),
    "an md5 in capitals": (written(entry("digits/x", MD5.upper())), 1, "not 32 hex digits"),
    "an md5 with a line end": (written(entry("digits/x", MD5 + "\n")), 1, "not 32 hex digits"),
    "a folder in a folder": (written(entry("digits/x", MD5 + ".dir")), 1, "not 32 hex digits"),
    "an md5 that is a number": (written({"md5": 1, "relpath": "digits/x"}), 1, "not 32 hex digits"),
    "a path that is a number": (written({"md5": MD5, "relpath": 1}), 1, "no text"),
    "a path twice": (written(entry("digits/x"), entry("digits/x", "f" * 32)), 2, "twice"),
    "a file as a folder": (written(entry("digits/x"), entry("digits/x/y")), 2, "as a file and as a folder"),
    "a file as a far folder": (written(entry("digits/x"), entry("digits/x/y/z")), 2, "as a file and as a folder"),
    "a key twice": (f'[{{"md5": "{MD5}", "relpath": "digits/y", "relpath": "digits/x"}}]'.encode(), 1, "written as"),
    "no order": (written(entry("tumours/x"), entry("digits/x")), 2, "written as DVC writes none"),
    "no blanks": (json.dumps([entry("digits/x")], separators=(",", ":")).encode(), 1, "written as DVC writes none"),
    "a version": (written(entry("digits/x") | {"version_id": "1"}), 1, "an entry that is not md5 and relpath"),
    "a remote": (written(entry("digits/x") | {"remote": "evil"}), 1, "an entry that is not md5 and relpath"),
    "no md5": (written({"relpath": "digits/x"}), 1, "an entry that is not md5 and relpath"),
    "a text as an entry": (written("digits/x"), 1, "an entry that is not md5 and relpath"),
    "a file less": (written(entry("digits/x")), 2, "names 1 files, where the pin says 2"),
    "a file more": (written(entry("digits/x"), entry("digits/y")), 1, "names 2 files, where the pin says 1"),
    "a mapping": (b'{"md5": 1}', 1, "is no list"),
    "null": (b"null", 1, "is no list"),
    "nothing": (b"", 1, "is not JSON"),
    "half of one": (written(entry("digits/x"))[:-3], 1, "is not JSON"),
    "no text": (b"\xff\xfe", 1, "is not JSON"),
    "deep lists": (b"[" * 60_000, 1, "is not JSON"),
    "a number without end": (b"[" + b"9" * 5000 + b"]", 1, "is not JSON"),
    "too many bytes": (b" " * 70_000, 1, "has 70000 bytes, and may have 66560"),
}


@pytest.mark.parametrize(("data", "files", "told"), OTHERS.values(), ids=OTHERS.keys())
def test_a14_a_listing_that_dvc_add_would_not_write_is_refused(data: bytes, files: int, told: str) -> None:
    refused(data, files, told)


def test_a14_a_listing_of_a_million_files_is_refused_at_once() -> None:
    data = (
        b"[" + b", ".join(b'{"md5": "%b", "relpath": "digits/%d"}' % (MD5.encode(), at) for at in range(10**6)) + b"]"
    )
    for files in (1, 99_999, 10**6):
        began = time.monotonic()
        refused(data, files, "DVC's listing has")
        assert time.monotonic() - began < within(2.0)


def refused(data: bytes, files: int, told: str) -> None:
    with pytest.raises(ListingRefused) as caught:
        listing.parse(data, pinning(files))
    assert told in caught.value.message
    assert caught.value.message.isprintable()
    assert len(caught.value.message) < 300


SEGMENT = st.sampled_from(["digits", "..", ".", "", "x", "é", "a\0", "x\\y", "y" * 300])


@given(st.lists(st.lists(SEGMENT, min_size=1, max_size=5).map("/".join), max_size=4))
@example(["digits/x", "digits/x/y"])
def test_a14_whatever_is_taken_stays_below_its_model(paths: list[str]) -> None:
    data = json.dumps([entry(path) for path in sorted(paths)]).encode()
    try:
        found = listing.parse(data, pinning(len(paths)))
    except ListingRefused:
        return
    for path in found:
        first, *others = path.split("/")
        assert first == "digits"
        assert others
        assert not {"", ".", ".."} & {*others}
    assert json.dumps([entry(path) for path in sorted(found)]).encode() == data


@given(st.binary(max_size=200))
def test_a14_any_bytes_are_a_listing_or_refused(data: bytes) -> None:
    refused(data, 7, "DVC's listing")
