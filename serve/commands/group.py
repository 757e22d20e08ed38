"""The group of all sub-commands: whatever is typed wrong, or goes wrong, ends in one sentence and an exit code."""

import os
import sys
from typing import Any, NoReturn

import typer
from typer.core import TyperGroup

FAULT = "this is a fault of Pinion's: please report it; PINION_LOG_LEVEL=debug shows where it was"


class Commands(TyperGroup):
    """As typer's; wrong words are exit code 2, an interruption 130, a fault of ours 1."""

    def main(self, *arguments: Any, **options: Any) -> NoReturn:
        """Run what is asked for, and end the process."""
        try:
            code = super().main(*arguments, **{**options, "standalone_mode": False})
        except typer.TyperException as error:
            code = error.exit_code
            typer.echo(f"serve: {_sentence(error.format_message())} see {_asked(error)} --help", err=True)
        except (typer.Abort, KeyboardInterrupt):
            typer.echo("serve: interrupted", err=True)
            code = 130
        except BrokenPipeError:  # who read it has read enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            code = 0
        except Exception as error:
            if os.environ.get("PINION_LOG_LEVEL") == "debug":
                raise
            typer.echo(f"serve: unexpected {type(error).__name__}: {error}; {FAULT}", err=True)
            code = 1
        sys.exit(code if isinstance(code, int) else 0)


def _sentence(told: str) -> str:
    """What typer says, as the beginning of a sentence of ours."""
    told = told[:1].lower() + told[1:].rstrip(".")
    return told if told.endswith("?") else f"{told};"


def _asked(error: typer.TyperException) -> str:
    """The command that was asked for, as far as it was understood."""
    context = getattr(error, "ctx", None)
    return str(context.command_path) if context is not None else "serve"
