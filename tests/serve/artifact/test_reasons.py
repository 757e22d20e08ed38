"""Why DVC failed is told in a sentence that says what to do, where that is known, and names no path of the machine."""

import pytest

from serve.artifact import reasons


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("unexpected error - Host key is not trusted for host git.example.org", "the SSH host git.example.org shows"),
        ("unexpected error - Too many authentication failures", "the SSH server takes none of this machine's keys"),
        ("unexpected error - Unable to locate credentials", "no credentials for the remote were found"),
        ("Forbidden: An error occurred (403) when calling the HeadObject operation", "the remote refuses these"),
        ("An error occurred (NoSuchBucket) when calling the ListObjectsV2 operation", "there is no such bucket"),
        ("s3 is supported, but requires 'dvc-s3' to be installed", "remotes of this kind need dvc-s3: pip install"),
        ("Could not connect to the endpoint URL: http://a/b", "the remote does not answer"),
        ("something else", ""),
    ],
)
def test_what_is_known_of_a_failure_says_what_to_do(said: str, told: str) -> None:
    found = reasons.known(said)
    assert found.startswith(told)
    assert bool(found) == bool(told)
    assert "does not exist" not in found  # which is said of an object that is not there, and means something else


def test_a_full_disk_is_known_in_whoevers_words_it_is_told() -> None:
    for said in ("[Errno 28] No space left on device: '/x'", "unexpected error - database or disk is full"):
        assert reasons.disk_is_full(said)
    assert not reasons.disk_is_full("Could not connect to the endpoint URL: http://a/b")


def test_the_extra_that_is_missing_is_named() -> None:
    assert "pip install 'pinion-serve[ssh]'" in reasons.known("but requires 'dvc-ssh' to be installed")


def test_of_what_dvc_prints_only_its_errors_are_told_in_one_line() -> None:
    said = "a warning\nERROR: \x1b[31mfailed\x1b[0m  to pull:\nERROR: more\nSee <https://dvc.org>\n"
    assert reasons.of(said) == "failed to pull · more"
    assert reasons.of("\n") == "it gave no reason"
    assert reasons.of("name: , md5: abc.dir\n") == (
        "neither the cache nor the remote has abc.dir: push it from where it was made"
    )


def test_of_paths_the_last_part_is_told() -> None:
    assert reasons.without_paths("can't read '/srv/secret/models.dvc'") == "can't read 'models.dvc'"
    assert reasons.without_paths("see s3://bucket/a/b") == "see s3://bucket/a/b"
