"""Where to pull from, and with what settings DVC runs: as the operator says, or for the author as the repository does.

Whoever may write to the repository could have DVC run a command (`bearer_token_command`), write anywhere
(`cache.dir`), or ask another machine than was meant. So of the repository's `.dvc/config` a server takes the name of
the default remote, and its url where that is a folder inside the repository; no more. All else is the operator's:
DVC's system-wide and user-wide configuration, `.dvc/config.local` where git does not track it, and the setting
`PINION_ARTIFACT__REMOTE`, which wins. `promote` is the author's own tool, on the author's machine, and uses the
repository's settings as DVC does.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from serve import scratch
from serve.artifact import configuration, git
from serve.artifact.configuration import Configuration
from serve.errors import RemoteNotTrusted

REPOSITORY = "repository"  # as the setting: trust the repository's url
_TRUSTED = ("url", "region", "endpointurl")  # with that
_NAME = re.compile(r"[a-z0-9][a-z0-9 ._-]{0,63}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_OURS = "pinion"  # the name of a remote that only the setting knows

# What says neither where to pull from nor how, so that nobody need hear that it is ignored.
_NO_MATTER = {f"core.{key}" for key in ("remote", "analytics", "autostage", "check_update", "interactive", "no_scm")}

# So that a remote which does not answer is given up in time, where the operator says nothing else.
_TIMEOUTS = {
    "http": {"connect_timeout": "5", "read_timeout": "30"},
    "https": {"connect_timeout": "5", "read_timeout": "30"},
    "s3": {"connect_timeout": "5", "read_timeout": "30"},
}


@dataclass(frozen=True, slots=True)
class Settings:
    """What DVC runs with: its configuration, the default remote's name ('' for none), where the cache is.

    `cache` is None where the repository's own place for it may not be used. `ignored` are the keys of the
    repository's configuration that were not taken.
    """

    configuration: Configuration = field(repr=False)  # it holds credentials
    remote: str
    cache: Path | None
    ignored: tuple[str, ...] = ()

    @property
    def url(self) -> str:
        """Of the default remote: a URL, or the path of a folder; '' where there is none."""
        return str(self.configuration.get(configuration.remote(self.remote), {}).get("url", ""))


def of_author(repo: Path) -> Settings:
    """The repository's own settings, as DVC takes them there."""
    own = _both(repo)
    name = str(own.get("core", {}).get("remote", "")).lower()
    cache = configuration.merged(configuration.of_machine(), own).get("cache", {}).get("dir")
    return Settings(_made(own, name), name, Path(cache or repo / ".dvc" / "cache"))


def of_operator(repo: Path, said: str | None) -> Settings:
    """The operator's settings for this repository; `RemoteNotTrusted` where they do not say where to pull from.

    `said` is what the operator's setting names: a URL, a folder, `REPOSITORY`, or nothing.
    """
    theirs = configuration.read(repo / ".dvc" / "config")
    of_git = _tracked(repo, "config.local")
    local = {} if of_git else configuration.read(repo / ".dvc" / "config.local")
    operators = configuration.merged(configuration.of_machine(), local)
    name = _name(theirs, local, operators) or (_OURS if said and said != REPOSITORY else "")
    taken = _taken(repo, theirs, name, said == REPOSITORY)
    told = configuration.merged(taken, {configuration.remote(name): operators.get(configuration.remote(name), {})})
    remote = told[configuration.remote(name)]
    if said and said != REPOSITORY:
        remote["url"] = said if configuration.is_url(said) else str(Path(said).expanduser().resolve())
    if "url" not in remote:
        raise RemoteNotTrusted(_untrusted(theirs, name))
    made = _made(configuration.merged(local, {configuration.remote(name): remote}), name)
    ignored = (
        *_ignored(theirs, taken),
        *(["config.local"] if of_git and (repo / ".dvc/config.local").exists() else []),
    )
    return Settings(made, name, _cache(repo, operators), ignored)


def default_remote(repo: Path) -> str | None:
    """The name of the repository's default remote; None where it has none."""
    return of_author(repo).remote or None


def _both(repo: Path) -> Configuration:
    """The repository's configuration with what only this machine knows, which holds credentials, and wins."""
    return configuration.merged(*(configuration.read(repo / ".dvc" / name) for name in ("config", "config.local")))


def _name(theirs: Configuration, local: Configuration, operators: Configuration) -> str:
    """The default remote's name, in DVC's own order: the operator may name another on this machine alone."""
    named = [one.get("core", {}).get("remote") for one in (local, theirs, operators)]
    name = next((str(one).lower() for one in named if one), "")
    if name and _NAME.fullmatch(name) is None:
        raise RemoteNotTrusted(
            "the default remote in .dvc/config has a name that is not letters, digits, '.', '_', '-'"
        )
    return name


def _taken(repo: Path, theirs: Configuration, name: str, trusted: bool) -> Configuration:
    """As much of the default remote's section in the repository's configuration as may be used."""
    section = theirs.get(configuration.remote(name), {})
    keys = _TRUSTED if trusted else ("url",)
    found = {key: value for key, value in section.items() if key in keys and _plain(value)}
    if "url" in found and not trusted and not _inside(repo, found["url"]):
        del found["url"]
    return {configuration.remote(name): found}


def _plain(value: Any) -> bool:
    """Whether a value is one line of text, which stays what it is in whatever file it is written to."""
    return isinstance(value, str) and _CONTROL.search(value) is None and '"' not in value and "%(" not in value


def _inside(repo: Path, url: str) -> bool:
    """Whether `url` is a folder inside the repository, wherever links lead."""
    return not configuration.is_url(url) and Path(url).resolve().is_relative_to(repo.resolve())


def _ignored(theirs: Configuration, taken: Configuration) -> Iterator[str]:
    for section, values in theirs.items():
        named = section.replace(' "', ".").removesuffix('"')
        for key in values:
            told = _CONTROL.sub("?", f"{named}.{key}")[:80]
            if told not in _NO_MATTER and key not in taken.get(section, {}):
                yield told


def _untrusted(theirs: Configuration, name: str) -> str:
    how = "set PINION_ARTIFACT__REMOTE={0}, or run in the repository: dvc remote modify --local {1} url {0}"
    if not name:
        return "neither the repository nor you name a default remote: set PINION_ARTIFACT__REMOTE to its URL or folder"
    url = theirs.get(configuration.remote(name), {}).get("url")
    shown = without_secrets(str(url))[:200] if url is not None and _plain(url) else "<URL>"
    return (
        f"the repository names {shown} as its remote '{name}', and a repository is not trusted to say where to pull "
        f"from: {how.format(shown, name)}"
    )


def without_secrets(text: str) -> str:
    """`text` without what URLs in it say of users, passwords and signatures."""
    return re.sub(r"(://)[^/\s'\"]*@", r"\1", re.sub(r"(\w://[^\s?'\"]*)\?[^\s'\"]*", r"\1", text))


def _cache(repo: Path, operators: Configuration) -> Path | None:
    """Where the operator says, else where DVC has it; None where git has something there, or nobody may write."""
    said = operators.get("cache", {}).get("dir")
    if said:
        return Path(said)
    place = repo / ".dvc" / "cache"
    return place if scratch.writable(place) and not _tracked(repo, "cache") else None


def _tracked(repo: Path, name: str) -> bool:
    """Whether `.dvc/<name>` comes from git, or may: then it is the repository's word, whatever it is called."""
    if (repo / ".dvc").is_symlink():
        return True
    if not any((folder / ".git").exists() for folder in (repo, *repo.parents)):
        return False
    try:
        done = git.ask(repo, "ls-files", "-z", "--", ".dvc")
    except OSError:
        return True
    tracked = done.stdout.decode(errors="replace").split("\0")
    place = f".dvc/{name}"
    return done.returncode != 0 or any(one in (".dvc", place) or one.startswith(f"{place}/") for one in tracked)


def _made(told: Configuration, name: str) -> Configuration:
    """What was told, fit for a checkout elsewhere."""
    result = configuration.merged(told, {"core": {"no_scm": "true", "analytics": "false", "check_update": "false"}})
    # Never links: a snapshot must not share its bytes with a cache that others write to.
    result.setdefault("cache", {})["type"] = "reflink,copy"
    if name:
        result["core"]["remote"] = name
        section = result.setdefault(configuration.remote(name), {})
        scheme = str(section.get("url", "")).partition("://")[0]
        section["verify"] = "true"  # DVC's default certifies a corrupt download for ever
        for key, value in _TIMEOUTS.get(scheme, {}).items():
            section.setdefault(key, value)
    return result
