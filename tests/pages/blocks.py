"""The blocks of code of a page, and what each is for. Pure.

A block's language says it, and for what is no plain step a comment in the line before:

    bash, python                        typed, in the page's order, in one terminal
    <!-- stays until: TEXT -->          before it: typed in another terminal, where it stays; the next follows once it
                                        has said TEXT
    <!-- after: TEXT -->                before it: typed once what stays has said TEXT again, since the block before
    <!-- run by: tests/FILE.py -->      before it: a test of its own types it
    <!-- not run: WHY -->               before it: it needs what no test has, such as a bucket of yours
    output                              what the block before printed; … stands for anything
    json, yaml, toml                    data: it must parse
    text                                shown: a drawing, or what somebody else's program prints
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).parents[2]
TYPED = ("bash", "python")
DATA = ("json", "yaml", "toml")

_NOTE = re.compile(r"<!-- (stays until|after|run by|not run): (.+?) -->\s*$")


class Use(Enum):
    """What becomes of a block."""

    TYPED = "typed"
    STAYS = "stays until"
    AFTER = "after"
    ELSEWHERE = "run by"
    NOT_RUN = "not run"
    OUTPUT = "output"
    DATA = "data"
    SHOWN = "text"
    UNMARKED = "unmarked"


RUN = (Use.TYPED, Use.STAYS, Use.AFTER)


@dataclass(frozen=True, slots=True)
class Block:
    """One block of `page` (a path in the repository) at `line`; `note` is what the comment before it says."""

    page: str
    line: int
    heading: str
    language: str
    use: Use
    note: str
    text: str

    @property
    def where(self) -> str:
        return f"{self.page}:{self.line}"


def pages(root: Path = ROOT) -> list[str]:
    """Every page that people are to read, as paths in the repository."""
    found = [*root.glob("*.md"), *(root / "docs").rglob("*.md"), *(root / "deploy").rglob("*.md")]
    return sorted(str(one.relative_to(root)) for one in found)


def blocks(page: str, root: Path = ROOT) -> list[Block]:
    """Those of one page, in its order."""
    return list(_blocks(page, MarkdownIt().parse((root / page).read_text())))


def _blocks(page: str, tokens: Sequence[Token]) -> Iterator[Block]:
    heading = ""
    for before, token in zip([None, *tokens], tokens, strict=False):
        if before is not None and before.type == "heading_open":
            heading = token.content
        if token.type in ("fence", "code_block"):
            language = token.info.strip() if token.type == "fence" else ""
            use, note = _use(language, before)
            line = (token.map or [0])[0] + 1
            yield Block(page, line, heading, language, use, note, token.content)


def _use(language: str, before: Token | None) -> tuple[Use, str]:
    """By the comment, where there is one; else by the language."""
    comment = _NOTE.search(before.content) if before is not None and before.type == "html_block" else None
    if comment is not None:
        return Use(comment[1]), comment[2]
    if language in TYPED:
        return Use.TYPED, ""
    if language in DATA:
        return Use.DATA, ""
    known = {"output": Use.OUTPUT, "text": Use.SHOWN}
    return known.get(language, Use.UNMARKED), ""
