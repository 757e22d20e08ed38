import hashlib
import os
import socket
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serve.artifact.verify import FileDigest, compare, manifest, require, tree_digest
from serve.errors import DigestMismatch

# The command in the docstring of serve/artifact/verify.py.
COREUTILS = r"find . -type f -printf '%P\n' | LC_ALL=C sort | xargs -rd '\n' sha256sum -- | sha256sum"


def lay_out(folder: Path, files: Mapping[str, bytes]) -> Path:
    for path, data in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    return folder


def coreutils(folder: Path) -> str:
    done = subprocess.run(["bash", "-c", COREUTILS], cwd=folder, capture_output=True, check=True, text=True)
    return "sha256:" + done.stdout.split()[0]


@pytest.mark.parametrize(
    "files",
    [
        pytest.param({}, id="no files"),
        pytest.param({"a": b""}, id="an empty file"),
        pytest.param({"model/MLmodel": b"x", "golden.json": b"{}"}, id="folders"),
        pytest.param({"a/b": b"1", "a.b": b"2", "a-b": b"3", "a": b"4"}, id="names that sort by bytes"),
        pytest.param({"ü": b"1", "z": b"2", "Z": b"3", "😀": b"4", "\uffee": b"5"}, id="names beyond ASCII"),
        pytest.param({"a b": b"1", "-rf": b"2", "'q'": b"3", "#": b"4", " ": b"5"}, id="names that shells trip over"),
        pytest.param({"large": bytes(3 * 2**20 + 1)}, id="a file of several chunks"),
    ],
)
def test_the_tree_digest_is_what_coreutils_print(tmp_path: Path, files: dict[str, bytes]) -> None:
    folder = lay_out(tmp_path, {path if path != "a" else "a.file": data for path, data in files.items()})
    assert tree_digest(manifest(folder)) == coreutils(folder)


def test_a_name_that_is_no_utf8_is_hashed_as_its_bytes(tmp_path: Path) -> None:
    lay_out(tmp_path, {os.fsdecode(b"\xff\xfe"): b"1"})
    assert tree_digest(manifest(tmp_path)) == coreutils(tmp_path)


def test_a_manifest_holds_size_and_both_hashes_by_path(tmp_path: Path) -> None:
    lay_out(tmp_path, {"model/MLmodel": b"flavors: {}\n", "golden.json": b"{}"})
    found = manifest(tmp_path)
    assert found.keys() == {"model/MLmodel", "golden.json"}
    assert found["golden.json"] == FileDigest(2, hashlib.sha256(b"{}").hexdigest(), hashlib.md5(b"{}").hexdigest())


def test_an_empty_folder_below_changes_nothing(tmp_path: Path) -> None:
    lay_out(tmp_path, {"a": b"1"})
    before = tree_digest(manifest(tmp_path))
    (tmp_path / "empty").mkdir()
    assert tree_digest(manifest(tmp_path)) == before


def test_modes_and_times_change_nothing(tmp_path: Path) -> None:
    lay_out(tmp_path, {"a": b"1"})
    before = tree_digest(manifest(tmp_path))
    (tmp_path / "a").chmod(0o755)
    os.utime(tmp_path / "a", (1, 1))
    assert tree_digest(manifest(tmp_path)) == before


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({"a": b"2", "b/c": b"3"}, id="a byte flipped"),
        pytest.param({"a": b"1", "b/c": b"3", "d": b""}, id="an empty file more"),
        pytest.param({"a": b"1"}, id="a file less"),
        pytest.param({"a": b"1", "b/d": b"3"}, id="a file renamed"),
        pytest.param({"a": b"1", "c": b"3"}, id="a file moved"),
        pytest.param({"a": b"3", "b/c": b"1"}, id="two contents swapped"),
    ],
)
def test_whatever_changes_in_a_folder_changes_its_digest_and_is_refused(
    tmp_path: Path, changed: dict[str, bytes]
) -> None:
    pinned = tree_digest(manifest(lay_out(tmp_path / "pinned", {"a": b"1", "b/c": b"3"})))
    found = lay_out(tmp_path / "found", changed)
    with pytest.raises(DigestMismatch, match=f"model 'digits' is not what was pinned: .*, pinned {pinned}$"):
        require(found, "digits", pinned)


def test_a_folder_as_pinned_gives_its_manifest(tmp_path: Path) -> None:
    lay_out(tmp_path, {"a": b"1"})
    assert require(tmp_path, "digits", tree_digest(manifest(tmp_path))) == manifest(tmp_path)


def link(place: Path) -> None:
    place.symlink_to("/etc/passwd")


def link_to_folder(place: Path) -> None:
    place.symlink_to("/etc")


def broken_link(place: Path) -> None:
    place.symlink_to("nowhere")


def listen(place: Path) -> None:
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(place))


@pytest.mark.parametrize("make", [link, link_to_folder, broken_link, os.mkfifo, listen])
def test_what_is_no_plain_file_is_refused_by_name(tmp_path: Path, make) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "sub").mkdir()
    make(tmp_path / "sub" / "odd")
    with pytest.raises(DigestMismatch, match=r"^sub/odd is a link or a device; only plain files are pinned$"):
        manifest(tmp_path)


@pytest.mark.parametrize("name", ["a\nb", "a\rb", "a\\b", f"a\n{'0' * 64}  b"])
def test_a_name_that_could_pass_for_several_lines_is_refused(tmp_path: Path, name: str) -> None:
    lay_out(tmp_path, {name: b""})
    with pytest.raises(DigestMismatch, match="has a line end or a backslash in its name"):
        manifest(tmp_path)


def test_a_folder_whose_name_could_pass_for_several_lines_is_refused(tmp_path: Path) -> None:
    lay_out(tmp_path, {"a\nb/c": b""})
    with pytest.raises(DigestMismatch, match="has a line end or a backslash in its name"):
        manifest(tmp_path)


md5s = st.sampled_from(["aa", "bb", "cc"])
listings = st.dictionaries(st.sampled_from("abcdef"), md5s)


@given(listings, listings)
def test_a_comparison_names_every_difference_once_and_nothing_else(
    pinned: dict[str, str], found: dict[str, str]
) -> None:
    differences = compare(pinned, {path: FileDigest(1, "", md5) for path, md5 in found.items()})
    assert set(differences) == (
        {f"{path} (missing)" for path in pinned if path not in found}
        | {f"{path} (extra)" for path in found if path not in pinned}
        | {f"{path} (changed)" for path in found if path in pinned and found[path] != pinned[path]}
    )
    assert len(differences) == len(set(differences))
    assert (differences == ()) == (pinned == found)
