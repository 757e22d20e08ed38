"""The settings of a command: from the environment, with what the command line says on top; one sentence where wrong."""

import os
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_settings import SettingsError

from serve import files
from serve.artifact.pin import FILENAME, MAX_BYTES, Pin, read
from serve.commands.ending import leave
from serve.errors import PinUnreadable
from serve.settings import Settings

OF_COMMANDS = ("PINION_URL", "PINION_API_KEY")  # whom `serve status` asks, and how: no settings of a server


class WrongSettings(Exception):
    """Settings that can't be used; says which, and why."""


def settings(repo: Path | None, **groups: dict[str, Any]) -> Settings:
    """The settings; the command ends where they can't be used."""
    try:
        return read_settings(repo, **groups)
    except WrongSettings as error:
        leave(str(error), 2)


def read_settings(repo: Path | None, **groups: dict[str, Any]) -> Settings:
    """The settings, or `WrongSettings`."""
    _refuse_unknown_variables()
    try:
        found = Settings()
        for group, given in {"artifact": {"repo": repo}, **groups}.items():
            said = {key: value for key, value in given.items() if value is not None}
            merged = {**getattr(found, group).model_dump(), **said}
            checked = type(getattr(found, group)).model_validate(merged)
            found = found.model_copy(update={group: checked})
    except ValidationError as error:
        first = error.errors()[0]
        why = "there is no such setting; see docs/settings.md" if first["type"] == "extra_forbidden" else first["msg"]
        raise WrongSettings(f"setting {'.'.join(map(str, first['loc']))}: {why}") from error
    except SettingsError as error:
        raise WrongSettings(f"{error}: name one setting, as in PINION_HTTP__PORT") from error
    return found


def _refuse_unknown_variables() -> None:
    """A misspelt variable must not be silently without effect."""
    known = {f"PINION_{name}".upper() for name in Settings.model_fields}
    for variable in os.environ:
        if variable.startswith("PINION_") and variable not in OF_COMMANDS:
            name = variable.upper()
            if not any(name == one or name.startswith(f"{one}__") for one in known):
                raise WrongSettings(f"environment variable {variable} is no setting of Pinion; see docs/settings.md")


def pin(found: Settings) -> Pin:
    """The pin at start: a repository without a readable one is refused at once."""
    try:
        if not found.repo.is_dir():
            leave(f"there is no folder {found.repo}: name the git repository with --repo", 2)
        return read(files.head(found.repo / FILENAME, MAX_BYTES + 1))
    except FileNotFoundError:
        leave(f"there is no {FILENAME} in {found.repo}: {_elsewhere(found.repo)}", 2)
    except OSError as error:
        leave(f"{FILENAME} can't be read: {error.strerror}", 2)
    except PinUnreadable as error:
        leave(error.message, 2)


def _elsewhere(repo: Path) -> str:
    """What to do where a repository has no pin; who is in a folder of one is told where it is."""
    for above in repo.resolve().parents:
        if (above / FILENAME).is_file():
            return f"{above} has one, so go there, or name it as --repo"
    return "promote a model first, or name another --repo"
