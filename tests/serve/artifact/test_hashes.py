from pathlib import Path

import pytest

from serve.artifact import hashes
from serve.artifact.snapshot import Recipe
from serve.errors import HashesMissing, SnapshotUnreadable

A, B = "--hash=sha256:" + "a" * 64, "--hash=sha256:" + "b" * 64
RESOLVED = f"six==1.17.0 ; sys_platform == 'linux' \\\n    {A}\nnumpy==2.4.6 \\\n    {A} \\\n    {B}\n"
RECIPE = Recipe("3.11.7", ("numpy==2.4.6", "six==1.17.0 ; sys_platform == 'linux'"))


def test_what_uv_resolved_is_kept_with_a_line_for_each_package() -> None:
    assert hashes.text(RESOLVED) == f"numpy==2.4.6 {A} {B}\nsix==1.17.0 ; sys_platform == 'linux' {A}\n"
    assert hashes.packages(RESOLVED) == ["numpy==2.4.6", "six==1.17.0 ; sys_platform == 'linux'"]


@pytest.mark.parametrize("line", ["six==1.17.0", f"six==1.17.0 {A[:-1]}", f"six==1.17.0 {A} -e .", f"-e . {A} # x"])
def test_a_package_without_hashes_is_none_that_uv_resolved(line: str) -> None:
    with pytest.raises(ValueError, match="is not name==version with hashes"):
        hashes.text(f"{line}\n")


def test_a_recipe_gets_the_hashes_that_were_recorded(tmp_path: Path) -> None:
    (tmp_path / "hashes.txt").write_text(hashes.text(RESOLVED))
    found = hashes.hashed(tmp_path, "digits", RECIPE)
    assert found.requirements == RECIPE.requirements
    assert found.hashes == tuple(hashes.text(RESOLVED).splitlines())


def test_a_build_of_torch_stands_for_its_version(tmp_path: Path) -> None:
    (tmp_path / "hashes.txt").write_text(f"torch==2.13.0+cpu {A}\n")
    assert hashes.hashed(tmp_path, "digits", Recipe("3.11.7", ("torch==2.13.0",))).hashes


def test_an_older_promotion_recorded_none(tmp_path: Path) -> None:
    with pytest.raises(HashesMissing, match="model 'digits' was pinned without the hashes of its packages: promote it"):
        hashes.hashed(tmp_path, "digits", RECIPE)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (f"numpy==2.4.6 {A}\n", "has no hashes of six==1.17.0"),
        (f"numpy==2.4.5 {A}\nsix==1.17.0 {A}\n", "has no hashes of numpy==2.4.6"),
        (f"numpy==2.4.6 {A}\nsix==1.17.0\n", "is not name==version with hashes"),
        (f"numpy==2.4.6 {A}\nsix==1.17.0 --hash=md5:{'a' * 32}\n", "is not name==version with hashes"),
        (f"numpy==2.4.6 {A}\nsix==1.17.0 {A}\n-e .\n", "is not name==version with hashes"),
        (f"numpy==2.4.6 {A}\nsix==1.17.0 {A}\n-e . {A}\n", "is not name==version"),
        (f"numpy==2.4.6 {A}\nsix @ https://evil.example/six.whl {A}\n", "is not name==version"),
        (f"numpy==2.4.6 {A}\nsix==1.17.0 {A}\n--index-url=https://evil.example {A}\n", "is not name==version"),
        (f"numpy==2.4.6 {A}\nsix==${{X}} {A}\n", "is not name==version"),
        (f"numpy==2.4.6 {A}\nsix==1.17.0 \\\n {A}\n", "is not name==version with hashes"),
        (f"numpy==2.4.6 {A}\nsix==1.17.0\x0b-e . {A}\n", "is not name==version"),
    ],
)
def test_hashes_that_no_promotion_writes_are_refused(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "hashes.txt").write_text(text)
    with pytest.raises(SnapshotUnreadable) as caught:
        hashes.hashed(tmp_path, "digits", RECIPE)
    assert told in caught.value.message
    assert "hashes.txt" in caught.value.message


def test_hashes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / "hashes.txt").write_bytes(b"\xff")
    with pytest.raises(SnapshotUnreadable, match=r"hashes\.txt can't be read"):
        hashes.hashed(tmp_path, "digits", RECIPE)
