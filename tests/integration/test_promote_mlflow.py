"""Rows G-8 and G-9: an MLflow that is down, slow, broken or lying, and a model that changes while it is copied."""

import shutil
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import mlflow
import mlflow.artifacts
import pytest

from promote import export, source
from promote.errors import PromotionRefused
from promote.source import Candidate
from serve.artifact import verify
from serve.errors import DigestMismatch
from tests.forms import FULL, TIMED, within
from tests.integration.conftest import Field
from tests.integration.test_promote_faults import started
from tests.integration.test_promote_refusals import refused
from tests.models import oracle
from tests.promoting import MLFLOWS_OWN_WARNINGS, Logged, Repository, log
from tests.stores import HttpStore, http_store

pytestmark = MLFLOWS_OWN_WARNINGS
HASTY = {"MLFLOW_HTTP_REQUEST_TIMEOUT": "1", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1"}


@pytest.fixture
def store() -> Iterator[HttpStore]:
    with http_store() as one:
        yield one


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        ("refuses", "it answers with errors (500)"),
        ("answers in HTML", "the response body was not in a valid JSON format"),
        ("hangs", "it does not answer"),
        ("has lost it", "404"),
    ],
)
@TIMED
def test_g8_an_mlflow_that_answers_wrongly_or_not_is_told_in_time(
    repository: Repository, store: HttpStore, fault: str, sentence: str
) -> None:
    store.fault = fault
    asking = replace(repository, variables={"MLFLOW_TRACKING_URI": store.url, **HASTY})
    began = time.monotonic()
    told = refused(asking, "0" * 32)
    assert time.monotonic() - began < within(15.0)
    assert told.startswith(f"MLflow at {store.url}: ")
    assert sentence in told


@FULL
@TIMED
def test_g8_an_mlflow_that_answers_byte_by_byte_is_left_after_a_minute(
    repository: Repository, store: HttpStore
) -> None:
    store.fault = "trickles"
    began = time.monotonic()
    told = refused(replace(repository, variables={"MLFLOW_TRACKING_URI": store.url}), "0" * 32)
    assert told == f"MLflow at {store.url}: it took longer than 60 seconds"
    assert time.monotonic() - began < within(65.0)


def test_g8_whatever_mlflow_does_with_an_interruption_its_time_is_over() -> None:
    """Its own retries take any exception for a reason to go on."""
    never = threading.Event()

    def stubborn() -> None:
        for _ in range(3):
            try:
                never.wait()
            except Exception:
                continue
            finally:
                never.wait(0.01)

    with pytest.raises(PromotionRefused, match=r"it took longer than 0.05 seconds$"), source.mlflow_said(0.05):
        stubborn()


@dataclass(frozen=True)
class Remote:
    """A repository whose MLflow keeps its artifacts over HTTP, and a run there."""

    repository: Repository
    store: HttpStore
    logged: Logged


@pytest.fixture
def remote(repository: Repository, store: HttpStore, three: Path) -> Remote:
    artifacts = f"{store.url}/api/2.0/mlflow-artifacts/artifacts/kept"
    client = repository.mlflow
    client.create_experiment("afar", artifact_location=artifacts)
    return Remote(repository, store, log(client, Path(artifacts), three, "afar"))


SPOILED = {
    "calls half the whole": "data/factor.txt has 1 bytes, and 2 in its store",
    "has lost it": "MLflow at sqlite:///",
    "gives half": "MLflow at sqlite:///",
    "answers in HTML": "data/factor.txt has 38 bytes, and 2 in its store",
    "refuses": "MLflow at sqlite:///",
}


@pytest.mark.parametrize("fault", SPOILED)
def test_g8_an_artifact_that_its_store_gives_in_part_or_not_is_refused(remote: Remote, fault: str) -> None:
    remote.store.fault, remote.store.spoiled = fault, "data/factor.txt"
    hasty = replace(remote.repository, variables={"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"})
    assert SPOILED[fault] in refused(hasty, remote.logged.run, "--name", "oracle")


@FULL
def test_g8_an_artifact_over_http_is_promoted(remote: Remote) -> None:
    told = remote.repository.promote(remote.logged.run, "--name", "oracle")
    assert told.revision == remote.repository.git("rev-parse", "HEAD")
    remote.repository.require_resolvable()


@TIMED
def test_g8_a_download_without_end_is_left_at_its_time_and_the_command_ends(remote: Remote) -> None:
    remote.store.fault, remote.store.spoiled = "trickles", "data/factor.txt"
    before = remote.repository.fingerprint()
    with started(remote.repository, remote.logged.run, "--transfer-seconds", "2") as process:
        remote.store.asked.wait()
        began = time.monotonic()
        out, err = process.communicate()
        took = time.monotonic() - began
    assert (process.returncode, out) == (1, "")
    assert err.splitlines()[-1].endswith("it took longer than 2 seconds")
    assert took < within(4.0)
    assert remote.repository.fingerprint() == before


@FULL
@TIMED
def test_g8_an_interrupted_download_is_not_waited_for(remote: Remote) -> None:
    remote.store.fault, remote.store.spoiled = "trickles", "data/factor.txt"
    with started(remote.repository, remote.logged.run) as process:
        remote.store.asked.wait()
        began = time.monotonic()
        process.terminate()
        _, err = process.communicate()
        took = time.monotonic() - began
    assert process.returncode == 130
    assert err == "promote: interrupted; nothing in the repository changed\n"
    assert took < within(2.0)


def test_what_mlflow_writes_into_its_store_as_it_serves_from_there_is_no_part_of_the_model(
    repository: Repository, field: Field
) -> None:
    candidate = Candidate(f"models:/{field.first.model}", model_id=field.first.model)
    mlflow.set_tracking_uri(repository.mlflow.tracking_uri)
    try:
        before = export.stored_sizes(candidate)
        mlflow.artifacts.download_artifacts("models:/fleet/1")  # as mlflow models serve does
        listed = {one.path for one in repository.mlflow.list_logged_model_artifacts(field.first.model)}
        assert listed - before.keys() >= {"registered_model_meta"}
        assert export.stored_sizes(candidate) == before
    finally:
        mlflow.set_tracking_uri(None)  # type: ignore[arg-type]


def relogging(folder: Path, stop: threading.Event) -> None:
    """Puts another model in its place, over and over: at each moment it is whole, or not there."""
    spare, number = shutil.copytree(folder, folder.with_name("spare")), 0
    while not stop.is_set():
        number += 1
        for name in ("first", "second"):
            (spare / name).write_text(f"{number:08}")
        away = folder.rename(folder.with_name("away"))
        spare.rename(folder)
        spare = away.rename(spare)


def test_g9_a_model_that_is_logged_anew_while_it_is_copied_is_never_taken_half_and_half(tmp_path: Path) -> None:
    model = oracle(tmp_path / "model", 3)
    for name in ("first", "second"):
        (model / name).write_text("0")
    stop = threading.Event()
    thread = threading.Thread(target=relogging, args=(model, stop))
    thread.start()
    refusals = 0
    try:
        for at in range(100):
            staging = tmp_path / f"staging-{at}"
            staging.mkdir()
            try:
                found = export.download(Candidate(str(model), local=True), staging, 60.0)
            except (PromotionRefused, DigestMismatch):
                refusals += 1
            else:
                assert (found / "first").read_text() == (found / "second").read_text()
            shutil.rmtree(staging)
    finally:
        stop.set()
        thread.join()
    assert refusals > 0


@FULL
def test_g9_what_is_pinned_is_what_was_rehearsed_whatever_became_of_its_source(
    repository: Repository, field: Field, tmp_path: Path
) -> None:
    model = oracle(tmp_path / "model", 3)
    wanted = verify.tree_digest(verify.manifest(model))
    with started(repository, model, "--name", "oracle") as process:
        assert process.stderr is not None
        assert any(line.startswith("downloaded") for line in process.stderr)
        (model / "data" / "factor.txt").write_text("4\n")
        process.communicate()
    assert process.returncode == 0
    assert repository.pinned("oracle/promotion.json")["artifact"] == wanted
    assert verify.tree_digest(verify.manifest(repository.folder / "models" / "oracle" / "model")) == wanted
