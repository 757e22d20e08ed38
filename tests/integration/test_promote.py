"""The command `promote` on a real MLflow store, with real dvc, git, environments and children."""

import json
from pathlib import Path

import pytest
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, DataType, Schema
from mlflow.types.schema import Array, Object, Property

from promote import source
from promote.field import best
from serve.artifact import verify
from tests.integration.conftest import Field
from tests.models import oracle
from tests.models.echoes import echo
from tests.promoting import MLFLOWS_OWN_WARNINGS, Repository, log

pytestmark = MLFLOWS_OWN_WARNINGS


def test_the_best_run_becomes_canonical_and_everyone_is_told(repository: Repository, field: Field) -> None:
    (repository.folder / "README").write_text("Changed.\n")
    (repository.folder / "staged.txt").write_text("Staged.\n")
    repository.git("add", "staged.txt")
    (repository.folder / "untracked.txt").write_text("Untracked.\n")
    before, staged = repository.pin(), repository.git("diff", "--cached", "--name-only")
    told = repository.promote("--best", "val_accuracy", "--experiment", "field")
    assert told.revision == repository.git("rev-parse", "HEAD")
    assert "3 other changed files were left as they are" in told.stderr
    assert "MLflow: tags on the model and its run, alias champion on fleet/2" in told.stderr
    assert repository.git("show", "--name-only", "--format=", "HEAD") == "models.dvc"
    assert repository.git("diff", "--cached", "--name-only") == staged
    assert (repository.folder / "README").read_text() == "Changed.\n"
    oracle_before = before.models[0]
    new = next(one for one in repository.pin().models if one.name == "field")
    assert repository.pin().models == (new, oracle_before)
    assert (new.run, dict(new.metrics)) == (field.second.run, {"loss": 0.2, "val_accuracy": 0.9})
    _require_told(repository, field, told.revision, new.digest)
    _require_pinned(repository, new.digest)
    message = repository.git("log", "-1", "--format=%B")
    assert message.startswith("Promote field: run wise-owl\n")
    assert "Replaces: nothing" in message
    assert "val_accuracy = 0.9" in message
    repository.require_resolvable()


def _require_told(repository: Repository, field: Field, revision: str, digest: str) -> None:
    wanted = {"pinion.model": "field", "pinion.digest": digest, "pinion.revision": revision}
    assert wanted.items() <= repository.mlflow.get_logged_model(field.second.model).tags.items()
    assert wanted.items() <= repository.mlflow.get_run(field.second.run).data.tags.items()
    assert str(repository.mlflow.get_model_version_by_alias("fleet", "champion").version) == "2"


def _require_pinned(repository: Repository, digest: str) -> None:
    """The work tree holds what is pinned; all of ours in it is strict JSON, and says nothing of this machine."""
    folder = repository.folder / "models" / "field"
    assert verify.tree_digest(verify.manifest(folder)) == digest
    promotion, golden = repository.pinned("field/promotion.json"), repository.pinned("field/golden.json")
    assert promotion["batchable"] is True
    assert promotion["metrics"] == {"loss": 0.2, "val_accuracy": 0.9}
    assert golden["cases"][0]["predictions"][1] == {"factor": 11.0, "y": 27.5}  # type: ignore[index]
    ours = [(folder / name).read_text() for name in ("promotion.json", "golden.json", "environment.txt")]
    assert not any(str(repository.folder.parent.parent) in text or "ada@" in text for text in ours)


def test_what_is_pinned_already_is_left_alone(repository: Repository, two: Path) -> None:
    before = repository.fingerprint()
    told = repository.promote_here(two, "--name", "oracle")
    assert told.revision == repository.git("rev-parse", "HEAD")
    assert "these very bytes already" in told.stderr
    assert repository.fingerprint() == before


def test_a_dry_run_judges_and_rehearses_and_changes_nothing(repository: Repository, field: Field) -> None:
    before, tags = repository.fingerprint(), repository.mlflow.get_run(field.second.run).data.tags
    told = repository.promote_here("models:/fleet@champion", "--name", "oracle", "--dry-run")
    assert told.revision == ""
    assert "would pin sha256:" in told.stderr
    assert f"and replace {repository.pin().models[0].digest}" in told.stderr
    assert repository.fingerprint() == before
    assert repository.mlflow.get_run(field.second.run).data.tags == tags


def test_a_dry_run_of_what_is_pinned_says_so_and_nothing_on_stdout(repository: Repository, two: Path) -> None:
    assert repository.promote_here(two, "--name", "oracle", "--dry-run").revision == ""


def test_every_form_of_reference_finds_its_model(repository: Repository, field: Field, three: Path) -> None:
    one, other = field.first, field.second
    for reference, wanted in {
        f"runs:/{one.run}/model": one,
        one.run[:12]: one,
        one.run: one,
        f"models:/{other.model}": other,
        "models:/fleet/2": other,
        "models:/fleet@champion": one,
    }.items():
        found = source.find(reference, repository.folder)
        assert (found.run, found.model_id, found.status) == (wanted.run, wanted.model, "FINISHED"), reference
    assert source.find(str(three), repository.folder).local


def test_the_best_is_the_highest_or_the_lowest_of_what_finished(repository: Repository, field: Field) -> None:
    assert best(repository.folder, "field", "val_accuracy", lower=False).run == field.second.run
    assert best(repository.folder, "field", "val_accuracy", lower=True).run == field.first.run
    assert best(repository.folder, "field", "loss", lower=True).run == field.first.run


def test_the_field_is_listed_best_first_and_in_full(repository: Repository, field: Field) -> None:
    table = repository.promote_here("candidates", "--experiment", "field", "--metric", "loss").revision
    rows = [line.split() for line in table.splitlines()[1:]]
    assert [(row[1], row[3], row[4]) for row in rows] == [
        (field.first.run, "0.1", f"models:/{field.first.model}"),
        (field.second.run, "0.2", f"models:/{field.second.model}"),
    ]


def test_a_model_that_takes_a_whole_body_is_asked_in_no_rows(repository: Repository, tmp_path: Path) -> None:
    """As of a chat: an object with a list in it is no table, however long its lists are."""
    turn = Object([Property("role", DataType.string), Property("content", DataType.string)])
    columns = [ColSpec(Array(turn), "messages"), ColSpec(DataType.double, "temperature", required=False)]
    body = {"messages": [{"role": "user", "content": "Hello?"}]}
    model = echo(tmp_path / "chat", ModelSignature(Schema(columns)), body)
    told = repository.promote_here(model, "--name", "chat", "--dry-run")
    assert told.code == 0, told.stderr
    assert "its inputs do not all come row by row" in told.stderr


def test_a_run_of_mlflow_2_is_as_good_as_any(repository: Repository, two: Path, three: Path) -> None:
    """Its model is kept among the run's artifacts, and told of in a tag."""
    client = repository.mlflow
    run = client.create_run(client.create_experiment("old", artifact_location=str(two.parent / "old"))).info.run_id
    client.log_artifacts(run, str(three), "model")
    client.set_tag(run, "mlflow.log-model.history", json.dumps([{"run_id": run, "artifact_path": "model"}]))
    client.log_metric(run, "auc", 0.9)
    client.set_terminated(run)
    table = repository.promote_here("candidates", "--experiment", "old", "--metric", "auc").revision
    assert table.split()[-1] == f"runs:/{run}/model"
    assert best(repository.folder, "old", "auc", lower=False).uri == f"runs:/{run}/model"
    told = repository.promote_here(run, "--name", "old", "--dry-run")
    assert "would pin sha256:" in told.stderr
    client.set_tag(run, "mlflow.log-model.history", '[{"artifact_path": "model"}, {"artifact_path": "other"}]')
    refusal = repository.promote_here(run).refusal
    assert f"logged several models; name one of: runs:/{run}/model, runs:/{run}/other" in refusal
    client.set_tag(run, "mlflow.log-model.history", "[3]")
    assert repository.promote_here(run).refusal == f"run {run} logged no model"


def test_what_mlflow_holds_is_data_however_odd(fresh: Repository, tmp_path: Path) -> None:
    model = oracle(tmp_path / "odd", 7)
    _centred(model)
    evil = "x\n\x1b[31m$(touch /tmp/pwned)`id`" + "y" * 2**20
    odd = log(fresh.mlflow, tmp_path / "mlruns", model, "an experiment / of $(odd) names", **{"zz best": 1.0})
    client = fresh.mlflow
    client.set_tag(odd.run, "mlflow.runName", evil[:5000])
    client.set_tag(odd.run, "mlflow.source.git.commit", evil[:5000])
    client.log_param(odd.run, "--option", evil[:5000])
    for at in range(300):
        client.log_metric(odd.run, f"a metric/{at:03}", at if at % 7 else float("nan"))
    told = fresh.promote_here("--best", "zz best", "--experiment", "an experiment / of $(odd) names")
    assert told.revision == fresh.git("rev-parse", "HEAD")
    assert "\x1b" not in told.stderr
    pinned = fresh.pin().models[0]
    assert pinned.name == "an-experiment-of-odd-names"
    assert len(pinned.metrics) == 50
    assert pinned.metrics["zz best"] == 1.0
    message = fresh.git("log", "-1", "--format=%B")
    assert "\x1b" not in message
    assert len(message) < 16_000
    assert "and 208 more in promotion.json" in message
    promotion = fresh.pinned(f"{pinned.name}/promotion.json")
    assert len(promotion["metrics"]) == 258  # type: ignore[arg-type]
    assert promotion["batchable"] is False
    assert "answered differently among others" in str(promotion["checks"])
    table = fresh.promote_here("candidates", "--experiment", "an experiment / of $(odd) names", "--metric", "zz best")
    assert "\x1b" not in table.revision


def _centred(model: Path) -> None:
    """Its answers for a row depend on the others."""
    code = model / "code" / "oracle.py"
    told, centred = 'frame["x"].to_numpy(copy=True) * self.factor', '(frame["x"] - frame["x"].mean()).to_numpy()'
    assert told in code.read_text()
    code.write_text(code.read_text().replace(told, centred))


@pytest.mark.e2e
def test_a_model_logged_before_mlflow_wrote_request_bodies_is_promoted(fresh: Repository, tmp_path: Path) -> None:
    model = oracle(tmp_path / "old", 5)
    (model / "serving_input_example.json").unlink()
    (model / "input_example.json").write_text(json.dumps({"columns": ["x"], "data": [[1.0], [2.0]]}))
    mlmodel = model / "MLmodel"
    mlmodel.write_text(mlmodel.read_text().replace("  serving_input_path: serving_input_example.json\n", ""))
    assert fresh.promote_here(model, "--name", "old").revision == fresh.git("rev-parse", "HEAD")
