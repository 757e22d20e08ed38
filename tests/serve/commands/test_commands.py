"""What is typed: wrong words, help, and commands that need no server, over real repositories."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from serve.__main__ import cli
from tests.releases import Releases, Spec

FIRST = Spec(metrics={"accuracy": 0.9})
SECOND = Spec(
    inputs={"x": "float", "z": "long"},
    packages=("numpy==2.1.0",),
    python="3.12.1",
    metrics={"accuracy": 0.95},
    run="r2",
)
HEAVY = ("fastapi", "uvicorn", "numpy", "pyarrow", "grpc", "cryptography", "mlflow", "dvc")
_NOBODY = {"PINION_HTTP__PORT": "9"}  # where nothing listens


def serve(*arguments: str, **variables: str) -> Result:
    """`serve` with these words, within this process."""
    return CliRunner().invoke(cli, [*arguments], env={**_NOBODY, **variables}, prog_name="serve")


@pytest.fixture(scope="module")
def releases(tmp_path_factory: pytest.TempPathFactory) -> tuple[Releases, Sequence[str]]:
    """Three releases; the last one breaks the callers of `a`, and of `b`, which it removes."""
    made = Releases(tmp_path_factory.mktemp("commands"))
    revisions = [
        made.release("Promote a", a=FIRST),
        made.release("Promote b", a=FIRST, b=Spec(run="b1")),
        made.release("Promote a: better", a=SECOND),
    ]
    return made, revisions


def on(made: Releases, *arguments: str, state: str = "state", **variables: str) -> Result:
    """`serve` with these words, on that repository."""
    where = {"PINION_ARTIFACT__REPO": str(made.repo), "PINION_ARTIFACT__STATE": str(made.root / state)}
    return serve(*arguments, **where, **variables)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("histroy",), "serve: no such command 'histroy'. Did you mean 'history'? see serve --help"),
        (("--prot", "1"), "serve: no such option: --prot"),
        (("plan", "a", "b"), "serve: got unexpected extra argument"),
        (("status", "--seconds", "soon"), "serve: invalid value for '--seconds'"),
        (("history", "--limit", "0"), "serve: invalid value for '--limit'"),
    ],
)
def test_what_is_typed_wrong_is_said_in_one_sentence_with_code_2(words: Sequence[str], told: str) -> None:
    done = serve(*words)
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith(told)
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("command", ["", "prepare", "history", "status", "plan", "doctor", "example"])
def test_each_command_has_help_with_an_example(command: str) -> None:
    done = serve(*filter(None, [command]), "--help")
    assert done.exit_code == 0
    assert f"Example: serve {command}".strip() in done.stdout


def test_help_completion_and_status_import_nothing_that_a_server_needs() -> None:
    code = f"import sys, serve.__main__, serve.commands.status; print([one for one in {HEAVY!r} if one in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_shell_is_told_revisions_for_a_plan_and_models_for_an_example(
    releases: tuple[Releases, Sequence[str]],
) -> None:
    made, revisions = releases
    for words, told in ((f"serve plan {revisions[0][:3]}", revisions[0][:12]), ("serve example ", "a")):
        asked = {"_SERVE_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": "2"}
        command = [str(Path(sys.executable).with_name("serve"))]
        done = subprocess.run(command, cwd=made.repo, env={**os.environ, **asked}, capture_output=True, text=True)
        assert told in done.stdout.split()


def test_a_server_that_does_not_answer_is_said_with_code_2() -> None:
    for command in ("status", "example"):
        done = serve(command)
        assert (done.exit_code, done.stdout) == (2, "")
        assert done.stderr.startswith("serve: no server answers at http://127.0.0.1:9 (Connection refused)")


def test_an_address_that_is_none_is_said_with_code_2() -> None:
    done = serve("status", "--url", "ftp://x")
    assert (done.exit_code, "is no address" in done.stderr) == (2, True)


def test_a_fault_of_ours_is_a_sentence_and_no_traceback(tmp_path: Path) -> None:
    done = serve("history", "--repo", "a\0b")
    assert done.exit_code in (1, 2)
    assert "Traceback" not in done.output
    assert len(done.stderr.splitlines()) == 1


def test_history_says_what_each_release_did_where_both_are_on_this_machine(
    releases: tuple[Releases, Sequence[str]],
) -> None:
    made, revisions = releases
    found = json.loads(on(made, "history", "--json").stdout)
    assert [(one["revision"], one["live"]) for one in found["releases"]] == [(one, None) for one in revisions[::-1]]
    newest, _, first = found["releases"]
    assert (newest["models"]["a"]["change"], newest["removed"], first["models"]["a"]["change"]) == (
        "changed",
        ["b"],
        "added",
    )
    assert newest["models"]["a"]["deltas"] == [{"name": "accuracy", "before": 0.9, "after": 0.95}]
    drawn = on(made, "history", "--limit", "1").stdout
    assert revisions[2][:12] in drawn
    assert "accuracy 0.9 → 0.95" in drawn
    assert "removed, which breaks its callers" in drawn
    assert "the newest 1; more with --limit" in drawn


def test_history_of_no_release_is_said(tmp_path: Path) -> None:
    done = serve("history", "--repo", str(tmp_path))
    assert (done.exit_code, f"{tmp_path} is no git repository" in done.stderr) == (1, True)
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    done = serve("history", "--repo", str(tmp_path))
    assert (done.exit_code, "git knows no commit of models.dvc" in done.stderr) == (1, True)


def test_that_there_is_no_git_is_said_and_not_taken_for_no_commit(
    releases: tuple[Releases, Sequence[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    for words in (("history",), ("plan", "HEAD")):
        done = serve(*words, "--repo", str(releases[0].repo))
        assert "git can't be run: No such file or directory" in done.stderr, done.stderr


def test_a_plan_marks_what_breaks_callers_and_ends_with_3_where_that_is_asked(
    releases: tuple[Releases, Sequence[str]],
) -> None:
    made, revisions = releases
    made.git("checkout", "--quiet", "--detach", revisions[1])
    done = on(made, "plan", revisions[2][:10], "--strict", "--json", state="planned")
    found = json.loads(done.stdout)
    assert (done.exit_code, found["breaking"], found["problem"], found["unknown"]) == (3, True, "", "")
    assert (found["before"]["what"], found["before"]["revision"]) == ("HEAD", revisions[1])
    assert found["models"]["b"]["change"] == "removed"
    assert [one["breaking"] for one in found["models"]["a"]["facts"]["signature"]] == [True, True]
    assert found["verified"][0]["verified"]
    drawn = on(made, "plan", revisions[2], state="planned")
    assert drawn.exit_code == 0
    for told in (
        "input x: double → float  breaks callers",
        "input z: not there → long  breaks callers",
        "3.11.7 → 3.12.1",
        "numpy 2.0.0 → 2.1.0",
        "accuracy 0.9 → 0.95",
        "callers of a, b may have to change",
        f"git checkout {revisions[2][:12]} -- models.dvc",
    ):
        assert told in drawn.stdout
    made.git("checkout", "--quiet", "main")


def test_a_plan_of_what_can_not_be_had_says_so_with_code_1(tmp_path: Path) -> None:
    made = Releases(tmp_path)
    made.release("Promote a", a=FIRST)
    revision = made.release("Promote a: better", a=SECOND)
    (made.repo / "remote").rename(tmp_path / "gone")
    done = on(made, "plan", revision)
    assert done.exit_code == 1
    assert "it could not go live: pull_failed" in done.stdout


@pytest.mark.parametrize(
    ("revision", "told"), [("nowhere", "git knows no commit 'nowhere'"), ("--all", "no such option")]
)
def test_a_plan_of_no_commit_is_said(releases: tuple[Releases, Sequence[str]], revision: str, told: str) -> None:
    done = on(releases[0], "plan", revision)
    assert (done.exit_code, told in done.stderr) == (2, True)
