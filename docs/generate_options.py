"""docs/options.md from the commands themselves: `python docs/generate_options.py > docs/options.md`."""

import re
import sys
from collections.abc import Iterator
from typing import Any

import typer
from typer.core import TyperGroup

from promote.__main__ import cli as promote
from serve.__main__ import cli as serve
from train.__main__ import cli as train

HEAD = """# Commands and their options

What each command takes; `--help` says the same, and [commands](commands.md) what each is for. Settings of the server
that have no option here are [environment variables](settings.md)."""

_EVERY = ("install_completion", "show_completion", "help")  # every command has them, as everywhere


def lines() -> Iterator[str]:
    """The page, line by line."""
    yield HEAD
    for name, cli in (("serve", serve), ("promote", promote), ("train", train)):
        yield from _told(name, typer.main.get_command(cli), None, 2)


def _told(name: str, command: Any, parent: typer.Context | None, level: int) -> Iterator[str]:
    """A command, and those below it."""
    context = typer.Context(command, info_name=name.rpartition(" ")[2], parent=parent)
    yield f"\n{'#' * level} `{name}`\n"
    yield _paragraphs(command.help or "")
    yield from _table([one for one in command.get_params(context) if one.name not in _EVERY], context)
    if isinstance(command, TyperGroup):
        for below in command.list_commands(context):
            found = command.get_command(context, below)
            if found is not None and not found.hidden:
                yield from _told(f"{name} {below}", found, context, 3)


def _table(parameters: list[Any], context: typer.Context) -> Iterator[str]:
    told = [record for one in parameters if (record := one.get_help_record(context)) is not None]
    if not told:
        return
    yield "\n| | |\n|---|---|"
    for spelled, meaning in told:
        yield f"| `{_cell(spelled)}` | {_cell(meaning)} |"


def _cell(told: str) -> str:
    """One line; typer tells a default that is none of the code's in parentheses of its own."""
    plain = re.sub(r"\[default: \((.*)\)\]", r"[default: \1]", " ".join(told.split()))
    return plain.replace("|", "\\|")


def _paragraphs(told: str) -> str:
    """Help as a page has it: a line for each paragraph, without what only a terminal draws."""
    plain = re.sub(r"\[/?(?:bold|dim|italic|red|green|yellow|cyan|blue)[a-z ]*\]|\x08", "", told.partition("\f")[0])
    return "\n\n".join(" ".join(part.split()) for part in plain.strip().split("\n\n"))


if __name__ == "__main__":
    sys.stdout.write("\n".join(lines()) + "\n")
