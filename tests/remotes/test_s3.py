"""A remote in S3: pushed to, read back and pulled from, with credentials that are the operator's and nobody else's."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.server import Server
from tests.forms import FULL
from tests.models import oracle
from tests.promoting import MLFLOWS_OWN_WARNINGS
from tests.remotes.conftest import Author, author, prepare, why
from tests.remotes.servers import S3, s3

pytestmark = [FULL, *MLFLOWS_OWN_WARNINGS]


@pytest.fixture(scope="module")
def store(place: Path) -> Iterator[S3]:
    with s3(place) as one:
        yield one


@pytest.fixture(scope="module")
def promoted(store: S3, place: Path) -> Author:
    one = author(place, "s3://models/pinion", store.credentials)
    told = one.repository.promote(oracle(place / "two", 2), "--name", "oracle")
    assert told.code == 0, told.stderr
    return one


def test_what_is_promoted_is_served_with_credentials_from_the_environment(
    promoted: Author, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in promoted.credentials.items():
        monkeypatch.setenv(name, value)
    with Server(promoted.server_of(), tmp_path, artifact__remote=promoted.url).ready() as server:
        answer = server.predict({"inputs": {"x": [3.0], "fault": [""]}})
        assert answer.status_code == 200, answer.text


def test_credentials_and_the_endpoint_may_stand_in_dvcs_configuration_of_the_machine(
    promoted: Author, tmp_path: Path
) -> None:
    given = promoted.credentials
    (tmp_path / "config").write_text(
        f"['remote \"origin\"']\n    url = {promoted.url}\n    endpointurl = {given['AWS_ENDPOINT_URL']}\n"
        f"    access_key_id = {given['AWS_ACCESS_KEY_ID']}\n"
        f"    secret_access_key = {given['AWS_SECRET_ACCESS_KEY']}\n    region = us-east-1\n"
    )
    variables = {"DVC_GLOBAL_CONFIG_DIR": str(tmp_path)}
    done = prepare(promoted.server_of("configured"), tmp_path / "state", variables)
    assert done.returncode == 0, done.stderr


def test_to_pull_it_is_enough_to_read_objects_and_list_the_bucket(promoted: Author, store: S3, tmp_path: Path) -> None:
    variables = {**store.readers, "PINION_ARTIFACT__REMOTE": promoted.url}
    done = prepare(promoted.server_of("reader"), tmp_path / "state", variables)
    assert done.returncode == 0, done.stderr


def test_without_the_operators_word_a_server_asks_nobody(promoted: Author, tmp_path: Path) -> None:
    told = why(prepare(promoted.server_of("untold"), tmp_path / "state", promoted.credentials))
    assert f"the repository names {promoted.url} as its remote 'origin', and a repository is not trusted" in told


@pytest.mark.parametrize(
    ("name", "url", "variables", "told"),
    [
        ("wrong", "", {"AWS_SECRET_ACCESS_KEY": "wrong"}, "the remote refuses these credentials (403)"),
        ("none", "", {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}, "no credentials for the remote"),
        ("nowhere", "s3://nowhere/pinion", {}, "there is no such bucket at the remote"),
        ("silent", "", {"AWS_ENDPOINT_URL": "http://127.0.0.1:1"}, "the remote does not answer"),
    ],
)
def test_what_is_wrong_with_a_remote_is_told_in_a_sentence(
    promoted: Author, tmp_path: Path, name: str, url: str, variables: dict[str, str], told: str
) -> None:
    given = {**promoted.credentials, **variables, "PINION_ARTIFACT__REMOTE": url or promoted.url}
    given = {key: value for key, value in given.items() if value}
    assert told in why(prepare(promoted.server_of(name), tmp_path / "state", given))


def test_a_promotion_to_a_bucket_that_is_not_there_changes_nothing(promoted: Author, place: Path, store: S3) -> None:
    (place / "another").mkdir()
    another = author(place / "another", "s3://nowhere/pinion", store.credentials)
    before = another.repository.fingerprint()
    told = another.repository.promote(oracle(place / "another" / "two", 2), "--name", "oracle").refusal
    assert "there is no such bucket at the remote" in told
    assert another.repository.fingerprint() == before
