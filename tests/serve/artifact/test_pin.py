import contextlib
import math
import random
import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from serve.artifact.pin import MAX_BYTES, Pin, PinnedModel, is_name, read, read_out, write
from serve.errors import PinUnreadable
from tests.forms import FULL, within

OID = "0123456789abcdef0123456789abcdef.dir"
DIGEST = "sha256:" + "5f" * 32
PIN = Pin(OID, 123, 4, (PinnedModel("digits", DIGEST, "a1b2", {"val_accuracy": 0.97}),))
WRITTEN = f"""\
outs:
- md5: {OID}
  size: 123
  nfiles: 4
  hash: md5
  path: models
meta:
  pinion:
    format: 1
    models:
      digits:
        digest: {DIGEST}
        run: a1b2
        metrics:
          val_accuracy: 0.97
"""

OUT = WRITTEN[: WRITTEN.index("meta")].encode()

names = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", fullmatch=True)
text = st.text(st.characters(codec="utf-8"), max_size=20)
finite = st.floats(allow_nan=False, allow_infinity=False)
models = st.builds(
    PinnedModel,
    names,
    st.from_regex(r"sha256:[0-9a-f]{64}", fullmatch=True),
    st.one_of(text, st.from_regex(r"[0-9a-f]{32}", fullmatch=True)),
    st.dictionaries(text, finite, max_size=5),
)
pins = st.builds(
    Pin,
    st.from_regex(r"[0-9a-f]{32}\.dir", fullmatch=True),
    st.integers(0, 2**60),
    st.integers(0, 2**31),
    st.lists(models, min_size=1, max_size=4, unique_by=lambda model: model.name).map(
        lambda some: tuple(sorted(some, key=lambda model: model.name))
    ),
)


def test_a_pin_is_written_as_dvc_lays_its_files_out() -> None:
    assert write(PIN).decode() == WRITTEN


def test_what_dvc_and_people_add_without_changing_the_meaning_is_read() -> None:
    assert read(f"# the champion\r\n{WRITTEN}".replace("\n", "\r\n").encode()) == PIN
    assert read(b"\xef\xbb\xbf" + WRITTEN.encode()) == PIN


def test_what_dvc_add_writes_is_a_pin_that_names_no_models_yet() -> None:
    assert read_out(OUT) == Pin(OID, 123, 4, ())


def test_models_are_written_in_the_order_of_their_names() -> None:
    late, early = PinnedModel("b", DIGEST), PinnedModel("a", DIGEST)
    assert read(write(Pin(OID, 1, 1, (late, early)))).models == (early, late)


@given(pins)
@example(Pin(OID, 0, 0, tuple(PinnedModel(name, DIGEST, name) for name in ("1", "1e3", "no", "null", "true", "y"))))
@example(Pin(OID, 0, 0, (PinnedModel("2024-01-01", DIGEST, "2024-01-01", {"": -0.0, "a: b": 1e-300, "\n": 1e300}),)))
def test_whatever_is_written_is_read_as_the_same(pin: Pin) -> None:
    assert read(write(pin)) == pin


def edited(old: str, new: str) -> bytes:
    assert WRITTEN.count(old) == 1
    return WRITTEN.replace(old, new).encode()


def bomb(link: str) -> bytes:
    """Nine levels, each naming the one before nine times: a few hundred bytes for nine to the ninth."""
    lines = ["a0: &a0 {x: 1}"]
    lines += [f"a{at}: &a{at} " + link % ", ".join([f"*a{at - 1}"] * 9) for at in range(1, 10)]
    return "\n".join(lines).encode()


REFUSED = {
    "a metric's name of a page": (WRITTEN.replace("accuracy", "a " * 125 + "b").encode(), "at most 250 characters"),
    "a directive": (b"%YAML 1.1\n---\n" + WRITTEN.encode(), "directive"),
    "an odd directive": (b"%YAML 1.1111111111\n---\n" + WRITTEN.encode(), "not YAML"),
    "an empty file": (b"", "models.dvc is empty"),
    "white space": (b" \n\n ", "models.dvc is empty"),
    "a file half written": (WRITTEN[:40].encode(), "lacks 'meta'"),
    "a file cut in a value": (WRITTEN[:-14].encode(), "meta.pinion.models.digits"),
    "ten megabytes": (b"#" * 10_000_000, f"has over {MAX_BYTES} bytes"),
    "bytes that are no text": (b"\xff\xfe\x00o", "is not YAML"),
    "a NUL": (WRITTEN.encode() + b"\0", "is not YAML"),
    "a tab": (edited("  size", "\tsize"), "is not YAML"),
    "a conflict of git": (b"<<<<<<< HEAD\n" + WRITTEN.encode(), "has conflict marks"),
    "a scalar": (b"models", "the top level must be a mapping"),
    "a list": (b"- outs", "the top level must be a mapping"),
    "null": (b"---\n", "the top level must be a mapping"),
    "two documents": (WRITTEN.encode() + b"---\n" + WRITTEN.encode(), "is not YAML"),
    "a key twice": (edited("  hash: md5", "  hash: md5\n  hash: md5"), "is not YAML"),
    "a model twice": (WRITTEN.encode() + b"      digits: {}\n", "is not YAML"),
    "aliases that grow": (bomb("[%s]"), "line 1 has a tag, an anchor, a directive or too deep a nesting"),
    "merges that grow": (bomb("{<<: [%s]}"), "line 1 has a tag, an anchor, a directive or too deep a nesting"),
    "an anchor": (edited("run: a1b2", "run: &a a1b2"), "line 13 has a tag, an anchor"),
    "a tag for Python": (edited("run: a1b2", "run: !!python/name:os.system x"), "line 13 has a tag"),
    "a tag of YAML's": (edited("run: a1b2", "run: !!bool x"), "line 13 has a tag"),
    "deep lists": (b"[" * 100 + b"]" * 100, "line 1 has a tag, an anchor, a directive or too deep a nesting"),
    "deep mappings": (b"- " * 1000, "line 1 has a tag, an anchor, a directive or too deep a nesting"),
    "a list as a key": (b"? [a]\n: b\n", "the top level lacks"),
    "lists in a list as a key": (b"? [[a]]\n: b\n", "is not YAML"),
    "a mapping as a key": (b"? {a: b}\n: b\n", "is not YAML"),
    "a key that is a line": (b'"a\\nb": 1\n', r"has 'a\nb', which no promotion writes"),
    "a key without end": (b"k" * 1000 + b": 1\n", "has 'k"),
    "half a surrogate pair": (edited("digits:", '"\\uD800":'), r"meta.pinion.models.\ud800 must be named"),
    "a command": (WRITTEN.encode() + b"cmd: rm -rf /\n", "the top level has 'cmd', which no promotion writes"),
    "deps": (WRITTEN.encode() + b"deps: []\n", "the top level has 'deps'"),
    "a working folder": (WRITTEN.encode() + b"wdir: ..\n", "the top level has 'wdir'"),
    "a frozen file": (WRITTEN.encode() + b"frozen: true\n", "the top level has 'frozen'"),
    "no meta": (OUT, "the top level lacks 'meta'"),
    "no outs": (WRITTEN[WRITTEN.index("meta") :].encode(), "the top level lacks 'outs'"),
    "outs as a mapping": (b"outs: {}\nmeta: {}\n", "outs must hold one entry"),
    "no out": (b"outs: []\nmeta: {}\n", "outs must hold one entry"),
    "two outs": (edited("meta:", "- path: more\nmeta:"), "outs must hold one entry"),
    "an out that is a string": (b"outs: [models]\nmeta: {}\n", "outs[0] must be a mapping"),
    "a remote of its own": (edited("  hash", "  remote: evil\n  hash"), "outs[0] has 'remote'"),
    "an out not to be cached": (edited("  hash", "  cache: false\n  hash"), "outs[0] has 'cache'"),
    "an out not to be pushed": (edited("  hash", "  push: false\n  hash"), "outs[0] has 'push'"),
    "another folder": (edited("path: models", "path: serve"), "outs[0].path must be models"),
    "an absolute path": (edited("path: models", "path: /etc"), "outs[0].path must be models"),
    "a path upwards": (edited("path: models", "path: ../models"), "outs[0].path must be models"),
    "a path with a slash": (edited("path: models", "path: models/"), "outs[0].path must be models"),
    "another hash": (edited("hash: md5", "hash: etag"), "outs[0].hash must be md5"),
    "a single file": (edited(OID, OID[:32]), "outs[0].md5 must be 32 hex digits and .dir"),
    "an oid that climbs": (edited(OID, "'../../x'"), "outs[0].md5 must be"),
    "an oid in capitals": (edited(OID, OID.upper()), "outs[0].md5 must be"),
    "an oid with a line end": (edited(OID, f'"{OID}\\n"'), "outs[0].md5 must be"),
    "an oid that is a number": (edited(OID, "1" * 32), "outs[0].md5 must be"),
    "a size below zero": (edited("size: 123", "size: -1"), "outs[0] size and nfiles must be counts"),
    "a size in words": (edited("size: 123", "size: large"), "outs[0] size and nfiles must be counts"),
    "a size with a fraction": (edited("size: 123", "size: 1.5"), "outs[0] size and nfiles must be counts"),
    "true files": (edited("nfiles: 4", "nfiles: true"), "outs[0] size and nfiles must be counts"),
    "null files": (edited("nfiles: 4", "nfiles:"), "outs[0] size and nfiles must be counts"),
    "meta of someone else": (edited("  pinion:", "  team: x\n  pinion:"), "meta has 'team'"),
    "meta as a string": (WRITTEN[: WRITTEN.index("meta")].encode() + b"meta: x\n", "meta must be a mapping"),
    "a format to come": (edited("format: 1", "format: 2"), "meta.pinion.format must be 1"),
    "a true format": (edited("format: 1", "format: true"), "meta.pinion.format must be 1"),
    "a format with a fraction": (edited("format: 1", "format: 1.0"), "meta.pinion.format must be 1"),
    "no models": (WRITTEN[: WRITTEN.index("      digits")].encode(), "meta.pinion.models must be a mapping"),
    "empty models": (WRITTEN[: WRITTEN.index("\n      digits")].encode() + b" {}\n", "must name at least one model"),
    "models in a list": (WRITTEN[: WRITTEN.index("\n      digits")].encode() + b" [x]\n", "models must be a mapping"),
    "a model named upwards": (edited("digits:", "..:"), "meta.pinion.models... must be named with"),
    "a model named as a path": (edited("digits:", "a/b:"), "meta.pinion.models.a/b must be named with"),
    "a model named as a number": (edited("digits:", "1:"), "meta.pinion.models.1 must be named with"),
    "a model without a name": (edited("digits:", "'':"), "meta.pinion.models. must be named with"),
    "a model with a long name": (edited("digits:", "d" * 65 + ":"), "must be named with"),
    "a model that is null": (WRITTEN.encode() + b"      tumours:\n", "meta.pinion.models.tumours must be a mapping"),
    "a model without a digest": (edited(f"digest: {DIGEST}", "url: x"), "digits lacks 'digest' and has 'url'"),
    "a digest in MD5": (edited(DIGEST, "md5:" + "a" * 32), "digits.digest must be sha256: and 64 hex digits"),
    "a digest cut short": (edited(DIGEST, DIGEST[:-1]), "digits.digest must be sha256:"),
    "a digest in capitals": (edited(DIGEST, DIGEST[:-2] + "5F"), "digits.digest must be sha256:"),
    "a run that is a number": (edited("run: a1b2", "run: 12"), "digits.run must be a string"),
    "a run that is a date": (edited("run: a1b2", "run: 2024-01-01"), "digits.run must be a string"),
    "a date that is none": (edited("run: a1b2", "run: 2024-13-41"), "is not YAML"),
    "metrics in a list": (edited("\n          val_accuracy: 0.97", " [0.97]"), "digits.metrics must be a mapping"),
    "a metric that is NaN": (edited("0.97", ".nan"), "digits.metrics must be finite numbers by name"),
    "a metric without end": (edited("0.97", "-.inf"), "digits.metrics must be finite numbers by name"),
    "a metric beyond floats": (edited("0.97", "9" * 400), "digits.metrics must be finite numbers by name"),
    "a metric beyond integers": (edited("0.97", "9" * 5000), "is not YAML"),
    "a metric in words": (edited("0.97", "good"), "digits.metrics must be finite numbers by name"),
    "a metric that is true": (edited("0.97", "true"), "digits.metrics must be finite numbers by name"),
    "a metric named by a number": (edited("val_accuracy", "1"), "digits.metrics must be finite numbers by name"),
}


@pytest.mark.parametrize(("data", "told"), REFUSED.values(), ids=REFUSED.keys())
def test_what_no_promotion_writes_is_refused_in_one_line_that_names_the_place(data: bytes, told: str) -> None:
    with pytest.raises(PinUnreadable) as caught:
        read(data)
    assert caught.value.message.startswith("models.dvc")
    assert told in caught.value.message
    assert caught.value.message.isprintable()
    assert len(caught.value.message) < 400


def test_a15_each_is_refused_in_fifty_milliseconds_of_the_processor() -> None:
    for name, (data, _) in REFUSED.items():
        began = time.process_time()
        with pytest.raises(PinUnreadable):
            read(data)
        assert time.process_time() - began < within(0.05), name


@FULL
@pytest.mark.timeout(3600)
def test_a15_nothing_in_a_hundred_thousand_mutations_is_more_than_refused() -> None:
    chosen, pieces = random.Random(15), [data[:2000] for data, _ in REFUSED.values()]
    for _ in range(100_000):
        data = bytearray(WRITTEN.encode())
        for _ in range(chosen.randint(1, 4)):
            at = chosen.randrange(len(data) + 1)
            piece = chosen.choice(pieces)
            start = chosen.randrange(len(piece) + 1)
            data[at : at + chosen.choice((0, 0, 1, 5, 50))] = piece[start : start + chosen.choice((1, 3, 10, 40))]
        with contextlib.suppress(PinUnreadable):
            pin = read(bytes(data))
            assert read(write(pin)) == pin


@given(st.one_of(st.binary(max_size=200), st.text(max_size=200).map(lambda one: one.encode("utf-8", "replace"))))
def test_any_bytes_are_a_pin_or_unreadable(data: bytes) -> None:
    with pytest.raises(PinUnreadable):
        read(data)


@given(st.integers(0, len(WRITTEN) - 1), st.text("-:?{}[]!&*#|>'\"%@`~<=,.0123456789eExX_\n\t \\abnull", max_size=6))
def test_a_pin_with_anything_typed_into_it_is_a_pin_or_unreadable(at: int, typed: str) -> None:
    with contextlib.suppress(PinUnreadable):
        pin = read((WRITTEN[:at] + typed + WRITTEN[at:]).encode())
        assert all(math.isfinite(value) for model in pin.models for value in model.metrics.values())
        assert read(write(pin)) == pin


@pytest.mark.parametrize("name", ["a    " * 49 + "b", "é" * 250, "'\": ?", "\U0001f600 " * 120])
def test_a_metric_of_any_name_comes_back(name: str) -> None:
    pin = Pin(
        "0" * 32 + ".dir", 1, 1, (PinnedModel("m", f"sha256:{'a' * 64}", "run", {name: 0.5, name[:-1] + "z": 1.0}),)
    )
    assert read(write(pin)) == pin


@pytest.mark.parametrize("name", ["digits", "a", "A.b_c-1", "x" * 64])
def test_a_name_fits_a_folder_a_url_and_a_label(name: str) -> None:
    assert is_name(name)


@pytest.mark.parametrize("name", ["", ".", "..", ".hidden", "-rf", "a b", "a/b", "a\n", "é", "x" * 65])
def test_a_name_that_fits_no_folder_url_or_label_is_none(name: str) -> None:
    assert not is_name(name)
