"""The command `serve doctor`: looks at all that serving needs, and says what is wrong and how to mend it."""

from pathlib import Path
from typing import NoReturn

import typer

from serve import log as logging
from serve.commands.checks import Check, Verdict, every
from serve.commands.drawn import doctor as drawn


def doctor(repo: Path | None, as_json: bool) -> NoReturn:
    """Look, tell, and end with code 1 where something would keep it from serving."""
    logging.configure("critical")
    found = list[Check]()
    with drawn.telling(as_json=as_json) as tell:
        for one in every(repo):
            found.append(one)
            tell(one)
    raise typer.Exit(1 if any(one.verdict is Verdict.BAD for one in found) else 0)
