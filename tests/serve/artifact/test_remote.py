"""Row A-17: of a repository's settings of DVC a server takes what can do no harm; the operator's word counts."""

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from serve.artifact import configuration, remote
from serve.artifact.remote import REPOSITORY, Settings, of_author, of_operator
from serve.errors import PullFailed, RemoteNotTrusted
from tests.repositories import new_repository

HARMFUL = """\
[core]
    remote = origin
    analytics = false
    site_cache_dir = /canary/site
[cache]
    dir = /canary/cache
    type = symlink
    shared = group
['remote "origin"']
    url = ../remote
    bearer_token_command = touch /canary/touched
    ssl_verify = false
    jobs = 1000
['remote "other"']
    url = ssh://evil.example.org/x
"""
IGNORED = (
    "core.site_cache_dir",
    "cache.dir",
    "cache.type",
    "cache.shared",
    "remote.origin.bearer_token_command",
    "remote.origin.ssl_verify",
    "remote.origin.jobs",
    "remote.other.url",
)


@pytest.fixture
def repo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository whose default remote is its folder `remote`, on a machine that has no settings of DVC."""
    for level in ("SYSTEM", "GLOBAL"):
        (tmp_path / level).mkdir()
        monkeypatch.setenv(f"DVC_{level}_CONFIG_DIR", str(tmp_path / level))
    return new_repository(tmp_path / "repo")


def says(repo: Path, text: str, name: str = "config") -> None:
    (repo / ".dvc" / name).write_text(text)


def names(repo: Path, url: str, more: str = "") -> None:
    """The repository's default remote is `url`."""
    says(repo, f"[core]\n    remote = origin\n['remote \"origin\"']\n    url = {url}\n{more}")


def origin(settings: Settings) -> dict[str, Any]:
    return dict(settings.configuration['remote "origin"'])


def untrusted(repo: Path, said: str | None = None) -> str:
    with pytest.raises(RemoteNotTrusted) as caught:
        of_operator(repo, said)
    return caught.value.message


def test_a17_of_a_repository_only_the_name_of_a_remote_and_a_folder_inside_it_are_taken(repo: Path) -> None:
    says(repo, HARMFUL)
    found = of_operator(repo, None)
    assert (found.remote, found.cache, found.ignored) == ("origin", repo / ".dvc" / "cache", IGNORED)
    assert found.configuration == {
        "core": {
            "remote": "origin",
            "no_scm": "true",
            "analytics": "false",
            "check_update": "false",
        },
        "cache": {"type": "reflink,copy"},
        'remote "origin"': {"url": str(repo / "remote"), "verify": "true"},
    }


OUTSIDE: dict[str, Callable[[Path], str]] = {
    "a URL": lambda _: "s3://evil/models",
    "a URL of a file": lambda repo: f"file://{repo}/remote",
    "a URL in capitals": lambda _: "HTTP://evil.example.org/",
    "a remote by name": lambda _: "remote://other/x",
    "the folder above": lambda _: "../..",
    "an absolute folder": lambda _: "/srv/models",
    "a home": lambda _: "~/models",
    "a folder that begins alike": lambda repo: f"{repo}-evil",
    "a link that leads out": lambda repo: (repo / "out").symlink_to("/srv") or "../out/models",
}


@pytest.mark.parametrize("where", OUTSIDE.values(), ids=OUTSIDE.keys())
def test_a17_what_is_outside_the_repository_is_not_pulled_from_on_its_word(
    repo: Path, where: Callable[[Path], str]
) -> None:
    names(repo, where(repo))
    assert "a repository is not trusted to say where to pull from: set PINION_ARTIFACT__REMOTE=" in untrusted(repo)


def test_a17_it_is_told_in_one_sentence_what_is_not_trusted_and_how_to_say_it_without_passwords(repo: Path) -> None:
    names(repo, "https://ada:s3cret@models.example.org/x?signature=abc")
    assert untrusted(repo) == (
        "the repository names https://models.example.org/x as its remote 'origin', and a repository is not trusted to "
        "say where to pull from: set PINION_ARTIFACT__REMOTE=https://models.example.org/x, or run in the repository: "
        "dvc remote modify --local origin url https://models.example.org/x"
    )


@pytest.mark.parametrize("file", ["SYSTEM/config", "GLOBAL/config", "repo/.dvc/config.local"])
def test_a17_what_this_machine_s_own_settings_say_is_the_operator_s(repo: Path, tmp_path: Path, file: str) -> None:
    names(repo, "s3://evil/models", "    ssl_verify = false\n")
    (tmp_path / file).write_text("['remote \"origin\"']\n    url = s3://ours/models\n    region = here\n")
    found = of_operator(repo, None)
    assert origin(found)["url"] == "s3://ours/models"
    assert origin(found)["region"] == "here"
    assert "ssl_verify" not in origin(found)
    assert found.ignored == ("remote.origin.url", "remote.origin.ssl_verify")


def test_a17_the_operator_s_word_counts_more_than_a_folder_in_the_repository(repo: Path) -> None:
    says(repo, "['remote \"origin\"']\n    url = s3://ours/models\n", "config.local")
    assert origin(of_operator(repo, None))["url"] == "s3://ours/models"


@pytest.mark.parametrize("linked", [False, True], ids=["as files", "behind a link"])
def test_a17_local_settings_that_git_tracks_are_the_repository_s(repo: Path, linked: bool) -> None:
    names(repo, "s3://evil/models")
    says(repo, "['remote \"origin\"']\n    url = s3://evil/models\n", "config.local")
    if linked:
        (repo / ".dvc").rename(repo / "dvc")
        (repo / ".dvc").symlink_to("dvc")
    subprocess.run(["git", "-C", repo, "add", "--force", "--all"], check=True)
    assert "is not trusted" in untrusted(repo)


def test_a17_local_settings_of_a_submodule_are_the_repository_s(repo: Path) -> None:
    names(repo, "s3://evil/models")
    says(repo, "['remote \"origin\"']\n    url = s3://evil/models\n", "config.local")
    subprocess.run(["git", "-C", repo, "rm", "-r", "--quiet", "--cached", ".dvc"], check=True)
    head = subprocess.run(["git", "-C", repo, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout
    entry = f"160000,{head.strip()},.dvc"
    subprocess.run(["git", "-C", repo, "update-index", "--add", "--cacheinfo", entry], check=True)
    assert "is not trusted" in untrusted(repo)


def test_a17_where_git_can_not_say_what_it_tracks_nothing_local_counts(
    repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    says(repo, "['remote \"origin\"']\n    password = x\n", "config.local")
    monkeypatch.setenv("PATH", "/nowhere")
    found = of_operator(repo, None)
    assert "password" not in origin(found)
    assert found.ignored == ("config.local",)
    assert found.cache is None


def test_without_any_git_what_lies_there_was_put_there_by_hand(repo: Path) -> None:
    says(repo, "['remote \"origin\"']\n    password = x\n", "config.local")
    (repo / ".git").rename(repo / "not-git")
    assert origin(of_operator(repo, None))["password"] == "x"


def test_a17_the_setting_wins_over_all(repo: Path, tmp_path: Path) -> None:
    names(repo, "s3://evil/models", "    endpointurl = http://evil\n")
    says(repo, "['remote \"origin\"']\n    url = s3://ours/models\n    profile = pinion\n", "config.local")
    assert origin(of_operator(repo, "s3://mine/models")) == {
        "url": "s3://mine/models",
        "profile": "pinion",
        "verify": "true",
        "connect_timeout": "5",
        "read_timeout": "30",
    }
    assert origin(of_operator(repo, str(tmp_path / "folder")))["url"] == str(tmp_path / "folder")


def test_a17_the_setting_needs_no_remote_in_the_repository(repo: Path) -> None:
    says(repo, "")
    assert of_operator(repo, "https://models.example.org").remote == "pinion"
    assert "name a default remote" in untrusted(repo)
    assert "name a default remote" in untrusted(repo, REPOSITORY)


def test_a17_a_repository_that_is_trusted_says_where_and_no_more(repo: Path) -> None:
    names(
        repo, "s3://theirs/models", "    region = r\n    endpointurl = http://e\n    ssl_verify = false\n    acl = x\n"
    )
    found = of_operator(repo, REPOSITORY)
    assert origin(found) == {
        "url": "s3://theirs/models",
        "region": "r",
        "endpointurl": "http://e",
        "verify": "true",
        "connect_timeout": "5",
        "read_timeout": "30",
    }
    assert found.ignored == ("remote.origin.ssl_verify", "remote.origin.acl")


def test_a17_the_operator_s_timeouts_and_cache_stay(repo: Path, tmp_path: Path) -> None:
    local = "[cache]\n    dir = ../cache of ours\n['remote \"origin\"']\n    url = http://ours\n    read_timeout = 99\n"
    says(repo, local, "config.local")
    found = of_operator(repo, None)
    assert origin(found)["read_timeout"] == "99"
    assert origin(found)["connect_timeout"] == "5"
    assert found.cache == repo / "cache of ours"


@pytest.mark.parametrize("where", ["cache", "cache/files"])
def test_a17_a_cache_that_git_leads_elsewhere_is_not_used(repo: Path, tmp_path: Path, where: str) -> None:
    link = repo / ".dvc" / where
    link.parent.mkdir(exist_ok=True)
    link.symlink_to(tmp_path)
    subprocess.run(["git", "-C", repo, "add", "--force", link], check=True)
    assert of_operator(repo, None).cache is None


def test_a17_a_line_in_a_value_brings_no_other_setting(repo: Path, tmp_path: Path) -> None:
    (repo / "remote\nbearer_token_command = touch").mkdir()
    says(repo, '[core]\nremote = origin\n[\'remote "origin"\']\nurl = """../remote\nbearer_token_command = touch"""\n')
    assert "names <URL> as its remote" in untrusted(repo)


@pytest.mark.parametrize("name", ['a"b', "a]b", "a/b", "-x", "a\tb"])
def test_a17_a_remote_with_a_strange_name_is_refused(repo: Path, name: str) -> None:
    says(repo, f"[core]\n    remote = '{name}'\n")
    assert "has a name" in untrusted(repo)


def test_an_author_s_settings_are_the_repository_s_own(repo: Path) -> None:
    says(repo, HARMFUL)
    says(repo, "['remote \"origin\"']\n    password = x\n", "config.local")
    found = of_author(repo)
    assert (found.cache, found.ignored) == (Path("/canary/cache"), ())
    assert origin(found)["bearer_token_command"] == "touch /canary/touched"
    assert origin(found)["password"] == "x"
    assert (found.configuration["cache"]["type"], origin(found)["verify"]) == ("reflink,copy", "true")
    assert remote.default_remote(repo) == "origin"
    assert "touched" not in repr(found)


def test_what_is_written_is_read_as_the_same(tmp_path: Path) -> None:
    told = {
        "core": {"remote": "a b", "x": ""},
        'remote "a b"': {"password": "a#b, 'c' \"d\"", "url": "s3://a,b", "other": "%(x)s"},
    }
    configuration.write(told, tmp_path / "config")
    assert configuration.read(tmp_path / "config") == told


@pytest.mark.parametrize("text", [b"core]\n", b"\xff\xfe", b"a" * 2**21, b"[core]\nremote = a\nremote = b\n"])
def test_a_configuration_that_can_not_be_read_is_said(repo: Path, text: bytes) -> None:
    (repo / ".dvc" / "config").write_bytes(text)
    with pytest.raises(PullFailed, match=r"^\.dvc/config (can't be read|has over)"):
        of_operator(repo, None)


def test_a17_a_configuration_that_can_not_be_read_is_not_repeated(repo: Path, tmp_path: Path) -> None:
    """It may hold a password, or be a link to a file that is nobody's business."""
    (tmp_path / "elsewhere").write_text("[core]\npassword: hunter2\n")
    (repo / ".dvc" / "config").unlink(missing_ok=True)
    (repo / ".dvc" / "config").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(PullFailed) as refused:
        of_operator(repo, None)
    assert refused.value.message == ".dvc/config can't be read: line 2 is none of DVC's"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("can't reach https://ada:pa@ss@host/x", "can't reach https://host/x"),
        ("'s3://b/k?X-Amz-Signature=abc' failed", "'s3://b/k' failed"),
        ("ada@host: no", "ada@host: no"),
    ],
)
def test_secrets_in_urls_are_not_told(text: str, told: str) -> None:
    assert remote.without_secrets(text) == told
