import shutil
from pathlib import Path

import pytest

from serve.artifact.fetch import Store
from serve.artifact.pin import PinnedModel
from serve.artifact.snapshot import Golden, Recipe, opened, recorded_python, requirements, signature, verified
from serve.artifact.verify import manifest, tree_digest
from serve.errors import DigestMismatch, SnapshotUnreadable
from serve.signature.spec import Signature, TensorSpec

PROMOTION = '{"batchable": true, "run": %s, "metrics": {"loss": %s}}'
TENSOR = '[{"type": "tensor", "tensor-spec": {"dtype": "float32", "shape": [-1, 2]}}]'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "digits"
    (place / "model").mkdir(parents=True)
    (place / "model" / "MLmodel").write_text(f"signature:\n  inputs: '{TENSOR}'\n")
    (place / "model" / "python_env.yaml").write_text("python: 3.11.7\n")
    (place / "environment.txt").write_text("numpy==2.4.6\n")
    (place / "golden.json").write_text('{"cases": [], "rtol": 0.001, "atol": 0}')
    (place / "promotion.json").write_text('{"run": "a1", "metrics": {"loss": 0.5}, "batchable": true}')
    return place


def test_a_snapshot_holds_what_promotion_recorded(folder: Path) -> None:
    found = opened(folder, "digits", "sha256:0")
    assert (found.name, found.digest, found.model_folder) == ("digits", "sha256:0", folder / "model")
    assert found.signature == Signature(tensors=(TensorSpec(None, "<f4", (-1, 2)),))
    assert found.recipe == Recipe("3.11.7", ("numpy==2.4.6",))
    assert (found.promotion.run, found.promotion.metrics, found.promotion.batchable) == ("a1", {"loss": 0.5}, True)
    assert found.golden == Golden((), 0.001, 0.0)


def test_a_stored_folder_is_opened_where_it_is_what_was_pinned(folder: Path, tmp_path: Path) -> None:
    model = PinnedModel("digits", tree_digest(manifest(folder)))
    store = Store(tmp_path, tmp_path / "state")
    shutil.copytree(folder, store.snapshot(model))
    assert verified(store, model).folder == store.snapshot(model)


def test_a_stored_folder_that_is_not_what_was_pinned_is_removed(folder: Path, tmp_path: Path) -> None:
    model = PinnedModel("digits", tree_digest(manifest(folder)))
    store = Store(tmp_path, tmp_path / "state")
    shutil.copytree(folder, store.snapshot(model))
    (store.snapshot(model) / "golden.json").write_text("{}")
    with pytest.raises(DigestMismatch, match="model 'digits' is not what was pinned"):
        verified(store, model)
    assert not store.snapshot(model).exists()


@pytest.mark.parametrize(
    ("path", "text", "told"),
    [
        ("model/MLmodel", None, "MLmodel can't be read"),
        ("model/MLmodel", "a: [", "MLmodel can't be read"),
        ("model/MLmodel", "[]", "MLmodel is not a mapping"),
        ("model/MLmodel", "signature: [1]", "its signature is unreadable"),
        ("model/MLmodel", "signature: {inputs: '['}", "its signature is unreadable"),
        ("model/MLmodel", "signature: {inputs: '[1]'}", "its signature is unreadable"),
        ("model/MLmodel", "signature: {params: '[1]'}", "its signature is unreadable"),
        ("model/MLmodel", "signature: {inputs: '[{}]'}", "its signature is unreadable"),
        ("model/python_env.yaml", "python: 3", "names no Python version"),
        ("model/python_env.yaml", "{}", "names no Python version"),
        ("environment.txt", None, "environment.txt can't be read"),
        ("golden.json", "{", "golden.json can't be read"),
        ("golden.json", "[]", "golden.json is not an object"),
        ("golden.json", '{"rtol": 0, "atol": 0}', "lacks 'cases'"),
        ("golden.json", '{"cases": [{}], "rtol": 0, "atol": 0}', "lacks 'request'"),
        ("golden.json", '{"cases": [1], "rtol": 0, "atol": 0}', "golden.json is unreadable"),
        ("golden.json", '{"cases": [], "rtol": "x", "atol": 0}', "golden.json is unreadable"),
        ("promotion.json", None, "promotion.json can't be read"),
        ("promotion.json", "{}", "lacks 'batchable'"),
        ("promotion.json", PROMOTION % ('"a\\r\\nSet-Cookie: a=b"', "1"), "its run is no id of one"),
        ("promotion.json", PROMOTION % ('"\\u00e4"', "1"), "its run is no id of one"),
        ("promotion.json", PROMOTION % ("1", "1"), "its run is no id of one"),
        ("promotion.json", PROMOTION % ('"a"', "NaN"), "NaN is no JSON"),
        ("promotion.json", PROMOTION % ('"a"', "1e999"), "a metric is no finite number"),
        ("promotion.json", PROMOTION % ('"a"', '"x"'), "promotion.json or golden.json is unreadable"),
        ("promotion.json", "[" * 100_000, "promotion.json can't be read"),
        ("golden.json", '{"cases": ' + "[" * 100_000, "golden.json can't be read"),
        ("model/MLmodel", "a: " + "[" * 5_000, "MLmodel can't be read"),
    ],
)
def test_a_folder_that_no_promotion_writes_is_refused(folder: Path, path: str, text: str | None, told: str) -> None:
    (folder / path).unlink()
    if text is not None:
        (folder / path).write_text(text)
    with pytest.raises(SnapshotUnreadable) as caught:
        opened(folder, "digits", "sha256:0")
    assert told in caught.value.message


@pytest.mark.parametrize("path", ["model/MLmodel", "golden.json", "promotion.json", "environment.txt"])
def test_of_what_no_promotion_writes_not_all_is_read(folder: Path, path: str) -> None:
    with (folder / path).open("r+b") as file:
        file.truncate(2**40)
    with pytest.raises(SnapshotUnreadable, match="it has over 67108864 bytes"):
        opened(folder, "digits", "sha256:0")


def test_without_a_python_env_the_flavor_says_the_python(folder: Path) -> None:
    (folder / "model" / "python_env.yaml").unlink()
    (folder / "model" / "MLmodel").write_text("flavors: {python_function: {python_version: 3.10.4}}")
    assert recorded_python(folder / "model") == "3.10.4"


@pytest.mark.parametrize("flavors", ["[]", "{python_function: 3}", "null", "{python_function: {python_version: 3.11}}"])
def test_flavors_that_are_none_say_no_python(folder: Path, flavors: str) -> None:
    (folder / "model" / "python_env.yaml").unlink()
    (folder / "model" / "MLmodel").write_text(f"flavors: {flavors}")
    with pytest.raises(SnapshotUnreadable, match="names no Python version"):
        recorded_python(folder / "model")


def test_a_model_without_a_signature_has_an_empty_one(folder: Path) -> None:
    (folder / "model" / "MLmodel").write_text("flavors: {}")
    assert signature(folder / "model") == Signature()


def test_requirements_are_sorted_without_comments_and_blank_lines(tmp_path: Path) -> None:
    listed = tmp_path / "environment.txt"
    listed.write_text("# by uv\nb==1.0 ; sys_platform == 'linux'\n\n  a[x]==2.0+cpu  \n")
    assert requirements(listed) == ("a[x]==2.0+cpu", "b==1.0 ; sys_platform == 'linux'")


@pytest.mark.parametrize(
    "line",
    [
        "numpy",
        "numpy>=1.0",
        "numpy~=1.0",
        "numpy===1.0",
        "numpy==1.*",
        "numpy==1.0,==1.0",
        "numpy==1.0,!=1.1",
        "numpy @ https://example.org/numpy.whl",
        "-e .",
        "--index-url https://example.org",
        "-r other.txt",
        "https://example.org/numpy.whl",
        "./local",
        "numpy==1.0 --hash=sha256:00",
        "numpy==1.0 # exact",
        "numpy==1.0 \\",
    ],
)
def test_a_requirement_that_is_not_exact_is_refused(tmp_path: Path, line: str) -> None:
    listed = tmp_path / "environment.txt"
    listed.write_text(f"a==1.0\n{line}\n")
    with pytest.raises(SnapshotUnreadable, match=r"environment.txt: '.*' is not name==version"):
        requirements(listed)
