"""How a command ends early: one sentence on stderr, and an exit code."""

from typing import NoReturn

import typer


def leave(message: str, code: int) -> NoReturn:
    """End the command, told why."""
    typer.echo(f"serve: {message}", err=True)
    raise typer.Exit(code)
