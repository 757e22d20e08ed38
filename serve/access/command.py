"""The command `serve key`: makes API keys. A token is shown once, and kept nowhere; the file has only its SHA-256."""

import os
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from serve.access import keys
from serve.access.scope import Scope
from serve.errors import KeysUnreadable

cli = typer.Typer(help="Make API keys.", no_args_is_help=True)


@cli.callback()
def key() -> None:
    """Make API keys, which PINION_AUTH__KEYS lets in."""


@cli.command(epilog="Example: serve key new ci --scope predict --scope metrics --file keys.txt")
def new(
    id_: Annotated[str, typer.Argument(metavar="ID", help="Whose key it is, or what for; it stands in logs.")],
    scope: Annotated[list[Scope], typer.Option(help="What it grants; admin is all. May be given again.")],
    until: Annotated[
        str | None, typer.Option(help="The day it ends with, or the moment: 2027-01-31, 2027-01-31T12:00Z.")
    ] = None,
    file: Annotated[Path | None, typer.Option(help="Append its line to this file, which is made if need be.")] = None,
) -> None:
    """Make a key: its token on stdout, to be handed out; its line for the file on stderr, or at the end of --file."""
    try:
        token, line = keys.make(id_, frozenset(scope), until)
    except ValueError as error:
        _exit(str(error))
    if file is None:
        typer.echo(line, err=True)
    else:
        _append(file, line)
    typer.echo(token)


def _append(file: Path, line: str) -> None:
    """Add a line to a file of keys that is whole; only its owner may read one that is made."""
    try:
        with os.fdopen(os.open(file, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600), "r+b") as opened:
            before = opened.read()
            ended = not before or before.endswith(b"\n")
            added = ("" if ended else "\n") + line + "\n"
            keys.read(before + added.encode())
            opened.write(added.encode())
    except KeysUnreadable as error:
        _exit(f"{file}: {error.message}")
    except OSError as error:
        _exit(f"{file}: {error.strerror}")


def _exit(message: str) -> NoReturn:
    typer.echo(f"serve key: {message}", err=True)
    raise typer.Exit(2)
