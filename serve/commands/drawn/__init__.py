"""How what the commands found looks to a person: data in, lines out. Colours are those every terminal has."""

import sys

from rich.console import Console

OK, NOTE, BAD = "[green]✓[/]", "[yellow]![/]", "[red]✗[/]"
_IN_A_PIPE = 160


def console() -> Console:
    """stdout; in a pipe wide enough that no line is broken where a terminal's would be."""
    return Console(width=None if sys.stdout.isatty() else _IN_A_PIPE, highlight=False, emoji=False)


def seconds(value: float) -> str:
    """As in '0.4 s', '12 s', '3 min'."""
    return f"{value:.1f} s" if value < 10 else f"{value:.0f} s" if value < 120 else f"{value / 60:.0f} min"


def listed(words: list[str], most: int = 6) -> str:
    """As in 'a, b and 3 more'."""
    more = f" and {len(words) - most} more" if len(words) > most else ""
    return ", ".join(words[:most]) + more


def short(digest: str) -> str:
    """The first digits of a digest or revision."""
    return digest.removeprefix("sha256:")[:12]
