"""Row G-14: what others wrote is data, wherever it is shown or kept. And what it tells is true, heard or not."""

import contextlib
import json
import os
import re
import sqlite3
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from tests.forms import FULL
from tests.integration.conftest import Field
from tests.integration.test_promote_faults import GIT, shimmed, started
from tests.integration.test_promote_refusals import refused
from tests.models import oracle
from tests.promoting import MLFLOWS_OWN_WARNINGS, Repository, log
from tests.repositories import new_repository

pytestmark = MLFLOWS_OWN_WARNINGS

CANARY = "touch {folder}/pwned"
EVIL = (
    "$({canary})",
    "`{canary}`",
    "; {canary} #",
    "--amend --author=evil",
    "-m\n\nSigned-off-by: evil <e@example.org>",
    "x\r\n\r\nReviewed-by: nobody",
    "\x1b[2J\x1b]0;owned\x07\x9b31m",
    "\u202e\u2066gnp.exe\u2069",
    "[red]x[/red] [/nothing] [link=http://evil.example]y[/link]",
    "{{0}} %s %n ${{HOME}} \\x41 \\\\",
    "../../../../etc/passwd",
    "\u2028\u2029\x85\x0b\x0c",
    "\ufeff\u200b\U000e0041",
    "!!python/object/apply:os.system ['{canary}']",
    "&a [*a, *a]",
    "'\"; DROP TABLE runs; --",
    "é\u0301 ﬀ İ",
)
_FORBIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ufeff\u200b]")


def require_harmless(text: str) -> None:
    """Nothing that a terminal, a log or a reader of lines would take for more than letters."""
    assert not _FORBIDDEN.search(text), ascii(text)
    assert all(line.isprintable() for line in text.split("\n")), ascii(text)


def test_g14_what_others_wrote_is_data_everywhere(fresh: Repository, tmp_path: Path) -> None:
    evil = [one.format(canary=CANARY.format(folder=tmp_path)) for one in EVIL]
    experiment = " / ".join(evil)[:400]
    one = log(fresh.mlflow, tmp_path / "mlruns", oracle(tmp_path / "model", 7), experiment, best=1.0, spare=2.0)
    fresh.mlflow.set_tag(one.run, "mlflow.runName", "".join(reversed(evil)) + "y" * 7000)
    fresh.mlflow.set_tag(one.run, "mlflow.source.git.commit", evil[0])
    fresh.mlflow.set_tag(one.run, "pinion.revision", evil[6])
    named(fresh, "spare", evil[8] + evil[6])
    for at, text in enumerate(evil):
        fresh.mlflow.log_param(one.run, f"param {at}", text + "z" * 5000)
    listed = fresh.promote_here("candidates", "--experiment", experiment, "--metric", "best")
    require_harmless(listed.stdout + listed.stderr)
    told = fresh.promote_here("--best", "best", "--experiment", experiment, "--name", "odd")
    require_harmless(told.stderr)
    assert told.revision == fresh.git("rev-parse", "HEAD")
    kept(fresh, evil)
    again = fresh.promote_here("--best", "nothing", "--experiment", experiment)
    require_harmless(again.stderr)
    assert "[red]" in again.refusal
    assert not (tmp_path / "pwned").exists()


def named(repository: Repository, metric: str, name: str) -> None:
    """MLflow's client takes no such names; who may write to its database needs no client."""
    with contextlib.closing(sqlite3.connect(repository.folder / "mlflow.db")) as database, database:
        for table in ("metrics", "latest_metrics"):
            database.execute(f"UPDATE {table} SET key = ? WHERE key = ?", (name, metric))


def kept(repository: Repository, evil: list[str]) -> None:
    """The commit's message is lines of ours, models.dvc is plain, promotion.json gives back what was written."""
    message = repository.git("log", "-1", "--format=%B")
    require_harmless(message)
    assert not re.search(r"^(Signed-off-by|Reviewed-by)", message, re.MULTILINE)
    assert repository.git("log", "-1", "--format=%an %cn %(trailers)").startswith("Ada Ada")
    assert "evil" not in repository.git("log", "-1", "--format=%(trailers)")
    require_harmless((repository.folder / "models.dvc").read_text())
    text = (repository.folder / "models" / "odd" / "promotion.json").read_text()
    assert text.isascii()
    params = json.loads(text)["params"]
    assert all(params[f"param {at}"].startswith(one) for at, one in enumerate(evil))


@pytest.mark.parametrize("text", EVIL)
def test_g14_a_reference_that_means_nothing_is_told_in_one_printable_line(repository: Repository, text: str) -> None:
    for reference in (f"x{text}", f"models:/{text}/1", f"runs:/{text}/model"):
        require_harmless(refused(repository, reference))


@pytest.mark.parametrize(
    ("end", "model"),
    [("closed", "two"), pytest.param("closed", "three", marks=FULL), pytest.param("full", "three", marks=FULL)],
)
def test_who_does_not_listen_any_more_holds_no_promotion_up(
    repository: Repository, three: Path, end: str, model: str
) -> None:
    """As in `promote … 2>&1 | head -1`, or with a log on a full disk. What was done is not called a failure."""
    if end == "closed":
        read, write = os.pipe()
        os.close(read)
    else:
        write = os.open("/dev/full", os.O_WRONLY)
    done = subprocess.run(
        repository.command(three.with_name(model), "--name", "oracle"),
        env=repository.whole_environment,
        stdout=subprocess.PIPE,
        stderr=write,
        text=True,
    )
    os.close(write)
    assert (done.returncode, done.stdout.strip()) == (0, repository.git("rev-parse", "HEAD"))
    assert repository.git("log", "-1", "--format=%s") == "Promote oracle"


@FULL
def test_started_by_a_hook_of_another_repository_it_tells_the_revision_of_its_own(
    repository: Repository, two: Path, tmp_path: Path
) -> None:
    elsewhere = {"GIT_DIR": str(new_repository(tmp_path / "other") / ".git"), "GIT_LITERAL_PATHSPECS": "1"}
    told = replace(repository, variables=elsewhere).promote(two, "--name", "oracle")
    assert told.revision == repository.git("rev-parse", "HEAD")


@FULL
def test_where_the_revision_can_not_be_written_that_is_said_and_not_that_nothing_changed(
    repository: Repository, three: Path
) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            repository.command(three, "--name", "oracle"),
            env=repository.whole_environment,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
        )
    head = repository.git("rev-parse", "HEAD")
    assert done.returncode == 1
    assert f"the promotion is done ({head}), but stdout can't be written: No space left on device" in done.stderr
    assert "nothing in the repository changed" not in done.stderr


@FULL
def test_interrupted_right_after_the_commit_it_says_that_the_promotion_is_done(
    fresh: Repository, field: Field, tmp_path: Path
) -> None:
    script = 'if [[ "$*" == *" rev-list "* ]]; then kill -INT $PPID; fi'
    with started(shimmed(fresh, tmp_path / "bin", script), field.first.run) as process:
        out, err = process.communicate()
    assert GIT is not None
    assert "nothing in the repository changed" not in err
    assert (process.returncode, out.strip()) == (0, fresh.git("rev-parse", "HEAD"))
