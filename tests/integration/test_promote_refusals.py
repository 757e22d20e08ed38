"""What `promote` refuses: each in one sentence that names the thing, with nothing in the repository changed."""

import contextlib
import os
import sqlite3
import subprocess
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.forms import FULL, TIMED, within
from tests.integration.conftest import Field
from tests.models import oracle
from tests.promoting import MLFLOWS_OWN_WARNINGS, Repository, log
from tests.stores import http_store

pytestmark = MLFLOWS_OWN_WARNINGS


def refused(repository: Repository, *arguments: str | Path) -> str:
    """The sentence, after seeing that everything is as it was."""
    before = repository.fingerprint()
    sentence = repository.promote_here(*arguments).refusal
    assert repository.fingerprint() == before
    return sentence


@pytest.mark.parametrize("ending", ["failed", "killed", "running", "deleted"])
def test_a_run_that_did_not_finish(repository: Repository, field: Field, ending: str) -> None:
    run = getattr(field, ending).run
    assert f"run {run} is {ending.upper()}, not FINISHED" in refused(repository, run)


def test_a_model_that_was_not_logged_whole(repository: Repository, three: Path, tmp_path: Path) -> None:
    one = log(repository.mlflow, tmp_path / "mlruns", three, "half")
    repository.mlflow.finalize_logged_model(one.model, "FAILED")
    assert f"model {one.model} is FAILED, not READY" in refused(repository, one.run)


def rewritten(name: str, old: str, new: str) -> Callable[[Path], None]:
    def change(model: Path) -> None:
        text = (model / name).read_text()
        assert old in text
        (model / name).write_text(text.replace(old, new))

    return change


def gone(name: str) -> Callable[[Path], None]:
    return lambda model: (model / name).unlink()


def holding(name: str, content: str | bytes) -> Callable[[Path], None]:
    data = content.encode() if isinstance(content, str) else content

    def change(model: Path) -> None:
        (model / name).write_bytes(data)

    return change


def asked(fault: str) -> Callable[[Path], None]:
    """The oracle's example asks it for a fault."""
    body = f'{{"dataframe_split": {{"columns": ["x", "fault"], "data": [[1.0, "{fault}"]]}}}}'
    return holding("serving_input_example.json", body)


def requiring(line: str) -> Callable[[Path], None]:
    return holding("requirements.txt", f"{line}\nmlflow-skinny==3.17.2\n")


REFUSED = {
    "no signature": (rewritten("MLmodel", "signature:", "unsigned:"), "it has no signature: log it with"),
    "no example": (rewritten("MLmodel", "saved_input_example_info:", "other:"), "it has no input example: log it"),
    "its example is missing": (gone("serving_input_example.json"), "it has no input example"),
    "its example is broken": (holding("serving_input_example.json", '{"dataframe_'), "can't be read"),
    "its example is no text": (holding("serving_input_example.json", b"\xff\xfe"), "can't be read"),
    "its example does not fit": (holding("serving_input_example.json", '{"inputs": {"z": [1]}}'), "the column 'x'"),
    "no MLmodel": (gone("MLmodel"), "is no model"),
    "a broken MLmodel": (holding("MLmodel", "flavors: [}"), "MLmodel can't be read"),
    "an odd MLmodel": (holding("MLmodel", "flavors: 3\nsignature: x\n"), "it has no python_function flavor"),
    "no recipe": (gone("requirements.txt"), "it has no requirements.txt"),
    "an index of its own": (requiring("--index-url https://evil.example"), "'--index-url https://evil.example' is not"),
    "a package at an address": (requiring("evil @ https://evil.example/e.whl"), "names an address"),
    "a package in git": (requiring("evil @ git+https://evil.example/e"), "names an address"),
    "a package at a path": (requiring("./evil.whl"), "'./evil.whl' is not of the form name==version"),
    "a recipe of bytes": (holding("requirements.txt", b"\xff\xfe\x00"), "is not of the form name==version"),
    "an unknown package": (requiring("no-such-package-at-all==1.0"), "no-such-package-at-all"),
    "a Python from the future": (rewritten("python_env.yaml", "3.11.7", "3.99.0"), "Python 3.9 to 3.13"),
    "no Python named": (rewritten("python_env.yaml", "3.11.7", "[]"), "names no Python version"),
    "a link": (lambda model: os.symlink("/etc/passwd", model / "data" / "more"), "is a link or a device"),
    "it raises at load": (holding("data/on_load.txt", "raise"), "can't be loaded: ValueError: the oracle was asked"),
    "it exits at load": (holding("data/on_load.txt", "exit"), "ended its process while loading (exited with code 0)"),
    "its code is cut short": (holding("code/oracle.py", "def _load_pyfunc(path"), "can't be loaded: SyntaxError"),
    "it raises on its example": (asked("raise"), "its example makes it fail: ValueError: the oracle was asked"),
    "it exits on its example": (asked("exit"), "ends the workers of model"),
    "its answers vary": (
        rewritten("code/oracle.py", '"factor": self.factor', '"factor": time.perf_counter_ns() % 997'),
        "answers the same example differently each time: predictions[0].factor",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_model_that_would_not_serve(fresh: Repository, tmp_path: Path, case: str) -> None:
    spoil, sentence = REFUSED[case]
    model = oracle(tmp_path / "model", 3)
    spoil(model)
    assert sentence in refused(fresh, model)


@FULL
@TIMED
def test_g18_an_index_that_hangs_is_told_within_a_minute_and_for_which_package(
    fresh: Repository, tmp_path: Path
) -> None:
    model = oracle(tmp_path / "model", 3)
    requiring("no-such-package-at-all==1.0")(model)
    with http_store() as index:
        index.fault = "hangs"
        asking = replace(fresh, variables={"UV_DEFAULT_INDEX": f"{index.url}/simple", "UV_NO_CACHE": "1"})
        began = time.monotonic()
        told = refused(asking, model)
    assert time.monotonic() - began < within(60.0)
    listed = (model / "requirements.txt").read_text().split()
    assert any(one.partition("==")[0] in told for one in listed), "all of them are asked for at once"


def test_a_model_that_hangs_at_load(fresh: Repository, tmp_path: Path) -> None:
    hasty = replace(fresh, variables={"PINION_WORKER__LOAD_TIMEOUT_SECONDS": "0.5"})
    assert "did not load within 0.5 seconds" in refused(hasty, oracle(tmp_path / "model", 3, on_load="hang"))


def test_a_model_that_hangs_on_its_example(fresh: Repository, tmp_path: Path) -> None:
    hasty = replace(fresh, variables={"PINION_ROLLOUT__GOLDEN_TIMEOUT_SECONDS": "2"})
    model = oracle(tmp_path / "model", 3)
    asked("hang")(model)
    assert "did not answer within 2 seconds" in refused(hasty, model)


def test_the_beginning_of_two_run_ids(repository: Repository, field: Field) -> None:
    alike = [f"abcdef01{number:024}" for number in (1, 2)]
    with contextlib.closing(sqlite3.connect(repository.folder / "mlflow.db")) as database, database:
        for new, old in zip(alike, (field.first.run, field.second.run), strict=True):
            database.execute("UPDATE runs SET run_uuid = ? WHERE run_uuid = ?", (new, old))
    told = refused(repository, "abcdef01")
    assert told.startswith("several runs have ids that begin with abcdef01; name one of: ")
    assert all(one in told for one in alike)


def test_a_logged_model_whose_file_is_gone_from_the_store(repository: Repository, tmp_path: Path, three: Path) -> None:
    one = log(repository.mlflow, tmp_path / "mlruns", three, "gone")
    (tmp_path / "mlruns" / "models" / one.model / "artifacts" / "requirements.txt").unlink()
    assert "it has no requirements.txt" in refused(repository, one.run)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["runs:/" + "0" * 32 + "/model"], "Run with id=" + "0" * 32 + " not found"),
        (["0" * 32], "Run with id=" + "0" * 32 + " not found"),
        (["0" * 8], "has no run whose id begins with 00000000"),
        (["0" * 7], "'0000000' is no model: give runs:/"),
        (["models:/m-0123"], "Logged model with ID 'm-0123' not found"),
        (["models:/fleet/99"], "fleet, version=99) not found"),
        (["models:/fleet/x"], "version"),
        (["models:/fleet@nobody"], "alias nobody not found"),
        (["models:/nobody/1"], "name=nobody"),
        (["models:/fleet"], "names no version"),
        (["/nowhere"], "'/nowhere' is no model: give runs:/"),
        (["a\nb\x1b[31m"], "'a b [31m' is no model"),
        (["x" * 100_000], "xxx' is no model: give runs:/"),
        (["--best", "val_accuracy", "--experiment", "nobody"], "no experiment 'nobody'; it has: Default, field"),
        (["--best", "nothing", "--experiment", "field"], "has metric 'nothing'; their metrics are loss, val_accuracy"),
        (["candidates", "--metric", "nothing", "--experiment", "field"], "has metric 'nothing'"),
        (["candidates", "--metric", "nothing", "--experiment", "Default"], "'Default' has no finished run with"),
        (["--best", "nothing"], "--best needs --experiment"),
        ([], "give either a model"),
        (["0" * 32, "--best", "loss"], "give either a model"),
    ],
)
def test_what_is_not_there_and_what_is_asked_wrong(repository: Repository, arguments: list[str], sentence: str) -> None:
    if not arguments:
        arguments = ["--dry-run"]
    assert sentence in refused(repository, *arguments)


def test_a_name_that_can_not_be_served(repository: Repository, three: Path) -> None:
    assert "'../x' can't be a model's name" in refused(repository, three, "--name", "../x")


def test_a_setting_that_can_not_be(repository: Repository, three: Path) -> None:
    wrong = replace(repository, variables={"PINION_WORKER__LOAD_TIMEOUT_SECONDS": "soon"})
    assert "setting worker.load_timeout_seconds" in refused(wrong, three)


@pytest.mark.parametrize(
    ("uri", "sentence"),
    [
        ("sqlite:////nowhere/mlflow.db", "MLflow at sqlite:////nowhere/mlflow.db: there is no such database"),
        ("sqlite:///{readme}", "file is not a database"),
        ("nonsense://user:hunter2@host", "MLflow at nonsense://host"),
    ],
)
def test_an_mlflow_that_is_none(repository: Repository, uri: str, sentence: str) -> None:
    readme = repository.folder / "README"
    readme.write_text("Not a database.\n" * 100)
    wrong = replace(repository, variables={"MLFLOW_TRACKING_URI": uri.format(readme=readme)})
    told = refused(wrong, "0" * 32)
    assert sentence in told
    assert "hunter2" not in told


def test_an_mlflow_that_does_not_answer_is_told_within_seconds(repository: Repository, closed_port: int) -> None:
    uri = f"http://ada:hunter2@127.0.0.1:{closed_port}"
    began = time.monotonic()
    told = refused(replace(repository, variables={"MLFLOW_TRACKING_URI": uri}), "0" * 32)
    assert told == f"MLflow at http://127.0.0.1:{closed_port}: it does not answer"
    assert time.monotonic() - began < 20


def test_without_any_mlflow(fresh: Repository) -> None:
    (fresh.folder / "mlflow.db").unlink()
    assert "set MLFLOW_TRACKING_URI, or train first" in refused(fresh, "0" * 32)


def _merging(repository: Repository) -> None:
    for branch, line in (("other", "Theirs."), ("main", "Ours.")):
        repository.git("checkout", "--quiet", "-B" if branch == "other" else "main", *([branch] * (branch == "other")))
        (repository.folder / "README").write_text(f"{line}\n")
        repository.git("commit", "--quiet", "--all", "--message", line)
    subprocess.run(["git", "-C", repository.folder, "merge", "other"], capture_output=True, check=False)
    assert (repository.folder / ".git" / "MERGE_HEAD").exists()


STATES = {
    "a merge": (_merging, "a merge is in progress"),
    "index.lock": (lambda one: (one.folder / ".git/index.lock").touch(), "index.lock is there, "),
    "detached": (lambda one: one.git("checkout", "--quiet", "--detach"), "HEAD is detached"),
    "no identity": (
        lambda one: (one.git("config", "--unset", "user.email"), one.git("config", "user.useConfigOnly", "true")),
        "git does not know who commits",
    ),
    "no remote": (lambda one: (one.folder / ".dvc/config").write_text("[core]\n"), "DVC has no default remote"),
    "a broken .dvc/config": (lambda one: (one.folder / ".dvc/config").write_text("core]\n"), ".dvc/config can't be"),
    "no DVC": (lambda one: (one.folder / ".dvc/config").unlink(), "is not the top of a repository of both git and DVC"),
    "a broken models.dvc": (
        lambda one: (one.folder / "models.dvc").write_text("outs: []\n"),
        "restore it with git checkout -- models.dvc",
    ),
    "a merge's marks in models.dvc": (
        lambda one: (one.folder / "models.dvc").write_text("<<<<<<< HEAD\n"),
        "restore it with git checkout -- models.dvc",
    ),
}


@pytest.mark.parametrize("state", STATES)
def test_a_repository_that_is_not_ready(repository: Repository, three: Path, state: str) -> None:
    prepare, sentence = STATES[state]
    prepare(repository)  # type: ignore[no-untyped-call]
    assert sentence in refused(repository, three)


def test_a_folder_that_is_none(repository: Repository, three: Path, tmp_path: Path) -> None:
    elsewhere = Repository(tmp_path / "elsewhere", tmp_path / "elsewhere" / ".pinion")
    assert "is not the top of a repository" in elsewhere.promote_here(three).refusal
    assert not elsewhere.folder.exists()


def test_what_is_pinned_now_must_be_whole(repository: Repository, three: Path, tmp_path: Path) -> None:
    repository.object(repository.pin().oid).unlink()
    (
        repository.folder
        / ".dvc"
        / "cache"
        / repository.object(repository.pin().oid).relative_to(repository.folder / "remote")
    ).unlink()
    cold = replace(repository, state=tmp_path / "state")
    assert "what models.dvc pins now can't be had" in refused(cold, three)
