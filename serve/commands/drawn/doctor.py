"""What was looked at, as it is seen: a line each, and below it how to mend it; or all of it as JSON at the end."""

import contextlib
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict

from rich.markup import escape
from rich.table import Table
from rich.text import Text

from serve.commands.checks import Check, Verdict
from serve.commands.drawn import BAD, NOTE, OK, console

_MARKS = {Verdict.GOOD: OK, Verdict.NOTE: NOTE, Verdict.BAD: BAD}
_NAME = 12


@contextlib.contextmanager
def telling(*, as_json: bool) -> Iterator[Callable[[Check], None]]:
    """Within the block, each check is told as it is made; at its end, what they come to."""
    found, out = list[Check](), console()

    def tell(one: Check) -> None:
        found.append(one)
        if not as_json:
            out.print(_line(one))

    yield tell
    counts = {verdict: sum(one.verdict is verdict for one in found) for verdict in Verdict}
    if as_json:
        print(json.dumps({"serves": not counts[Verdict.BAD], "checks": [asdict(one) for one in found]}))  # noqa: T201
        return
    out.print()
    if counts[Verdict.BAD]:
        out.print(f"{BAD} [red]{counts[Verdict.BAD]} of {len(found)} would keep it from serving[/]")
    else:
        noted = f", {counts[Verdict.NOTE]} to look at" if counts[Verdict.NOTE] else ""
        out.print(f"{OK} nothing keeps it from serving{noted}")


def _line(one: Check) -> Table:
    table = Table.grid(padding=(0, 1))
    table.add_column(no_wrap=True)
    table.add_column(width=_NAME, no_wrap=True)
    table.add_column(overflow="fold")
    told = Text.from_markup(escape(one.told))
    if one.mend and one.verdict is not Verdict.GOOD:
        told.append(f"\n→ {one.mend}", "cyan")
    table.add_row(Text.from_markup(_MARKS[one.verdict]), Text(one.name, "bold"), told)
    return table
