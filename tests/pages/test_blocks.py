"""Every block of every page is run or says why not. What pages name is there: commands, settings, metrics, files."""

import json
import re
import shlex
import subprocess
import tomllib
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
import yaml
from pydantic import BaseModel

from serve.app import make_metrics
from serve.settings import Settings
from tests.pages.blocks import RUN, Block, Use, blocks, pages
from tests.pages.terminal import Terminal, as_shown
from tests.pages.test_typed import TYPED

ROOT = Path(__file__).parents[2]
PAGES = pages()
BLOCKS = [block for page in PAGES for block in blocks(page)]
COMMANDS = ("serve", "promote", "train")


@pytest.mark.parametrize("page", PAGES)
def test_every_block_of_a_page_is_run_or_marked(page: str) -> None:
    assert [block.where for block in blocks(page) if block.use is Use.UNMARKED] == []


def test_every_page_with_something_to_type_is_typed_by_a_test() -> None:
    assert sorted({block.page for block in BLOCKS if block.use in RUN} - set(TYPED)) == []


def test_a_block_that_another_test_runs_is_run_by_that_test() -> None:
    for block in BLOCKS:
        if block.use is Use.ELSEWHERE:
            assert Path(block.page).name in (ROOT / block.note).read_text(), block.where


def test_output_is_only_shown_of_what_is_run() -> None:
    for before, block in pairwise(BLOCKS):
        if block.use is Use.OUTPUT:
            assert before.use in RUN, f"{block.where}: of a block that is not run, what it prints is text"


def test_what_is_not_run_is_bash_all_the_same() -> None:
    for block in BLOCKS:
        if block.language == "bash":
            read = subprocess.run(["bash", "-n"], input=block.text, capture_output=True, text=True)
            assert read.returncode == 0, (block.where, read.stderr)


def test_data_on_a_page_parses() -> None:
    readers = {"json": json.loads, "yaml": lambda text: list(yaml.safe_load_all(text)), "toml": tomllib.loads}
    for block in BLOCKS:
        if block.use is Use.DATA:
            assert readers[block.language](block.text) is not None, block.where


def test_pages_name_commands_and_options_that_there_are() -> None:
    known = _options()
    for block in BLOCKS:
        if block.language == "bash":
            for words in _ours(block):
                name = _command(words, known)
                given = {word.split("=")[0] for word in words if re.match(r"--?[a-z]", word)}
                assert given <= known[name] | known[words[0]], (block.where, name, given - known[name])


def test_pages_name_settings_that_there_are() -> None:
    options = (ROOT / "docs" / "options.md").read_text()
    there = {*(f"PINION_{name}".upper() for name in _settings()), *re.findall(r"env var: (\w+)", options)}
    for page in PAGES:
        named = set(re.findall(r"\bPINION_[A-Z0-9_]*[A-Z0-9]\b", (ROOT / page).read_text()))
        assert sorted(named - there) == [], page


def test_pages_name_metrics_that_there_are() -> None:
    there = {sample for family in make_metrics().registry.collect() for sample in _names(family.name, family.type)}
    for page in PAGES:
        named = set(re.findall(r"\bpinion_[a-z_]*[a-z]\b(?!\.)", (ROOT / page).read_text()))
        assert sorted(named - there) == [], page


@pytest.mark.parametrize("page", PAGES)
def test_pages_name_files_that_there_are(page: str) -> None:
    """Where code names a path of the repository's own."""
    top = "benchmarks|deploy|docs|promote|requirements|serve|tests|train"
    named = re.findall(rf"`((?:{top})/[\w./-]+\.\w+)`", (ROOT / page).read_text())
    assert [path for path in named if not (ROOT / path).exists() and not (ROOT / "serve" / path).exists()] == []


def test_a_comment_before_a_block_says_what_it_is_for(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "page.md").write_text(
        "# Page\n\n<!-- not run: needs a bucket -->\n```bash\ntrue\n```\n\n## Next\n\n```bash\ntrue\n```\n\n"
        "```output\n\n```\n\n```\nbare\n```\n\n    indented\n"
    )
    assert pages(tmp_path) == ["docs/page.md"]
    found = [(one.use, one.note, one.heading, one.line) for one in blocks("docs/page.md", tmp_path)]
    assert found == [
        (Use.NOT_RUN, "needs a bucket", "Page", 4),
        (Use.TYPED, "", "Next", 10),
        (Use.OUTPUT, "", "Next", 14),
        (Use.UNMARKED, "", "Next", 18),
        (Use.UNMARKED, "", "Next", 22),
    ]


@pytest.mark.parametrize(
    ("shown", "printed", "alike"),
    [
        ("a\nb\n", "a  \nb\n\n", True),
        ("a\n…\nc\n", "a\nb\nb\nc\n", True),
        ("a … c\n", "a b d\n", False),
        ("a.c\n", "abc\n", False),
        ("a\n", "a\nb\n", False),
    ],
)
def test_output_is_compared_but_for_what_is_left_out(shown: str, printed: str, alike: bool) -> None:
    assert as_shown(shown, printed) is alike


def test_a_page_is_typed_in_one_terminal_with_others_beside_it(tmp_path: Path) -> None:
    page = [
        _block(Use.TYPED, "cd sub\nexport SEEN=yes"),
        _block(Use.STAYS, 'echo "in $(basename $PWD) $SEEN 8000"; exec tail -n +1 -F told', note="in sub yes"),
        _block(Use.TYPED, "echo again > told"),
        _block(Use.AFTER, "echo $SEEN", note="again"),
        _block(Use.OUTPUT, "yes"),
        _block(Use.TYPED, "print(6 * 7)", language="python"),
        _block(Use.OUTPUT, "4…"),
    ]
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "told").touch()
    with Terminal(tmp_path, tmp_path, {"PATH": f"{ROOT / '.venv' / 'bin'}:/usr/bin:/bin"}) as terminal:
        terminal.type(page, 30)
        with pytest.raises(AssertionError, match="and it was"):
            terminal.type([_block(Use.TYPED, "echo one"), _block(Use.OUTPUT, "other")])
        with pytest.raises(AssertionError, match=r"page\.md:1 failed"):
            terminal.type([_block(Use.TYPED, "false\ntrue")])


def _block(use: Use, text: str, *, note: str = "", language: str = "bash") -> Block:
    return Block("page.md", 1, "Page", language, use, note, text)


def _options() -> dict[str, set[str]]:
    """Every command of ours, as docs/options.md has it, with its options."""
    parts = re.split(r"^#+ `(.+?)`$", (ROOT / "docs" / "options.md").read_text(), flags=re.MULTILINE)
    pairs = zip(parts[1::2], parts[2::2], strict=True)
    return {name: {"--help", *re.findall(r"(?<![\w-])--?[a-z][a-z-]*", told)} for name, told in pairs}


def _ours(block: Block) -> Iterator[list[str]]:
    """The words of each command of ours that a block types."""
    for line in re.sub(r"\\\n", " ", block.text).splitlines():
        try:
            words = shlex.split(line, comments=True)
        except ValueError:  # a quotation of several lines
            continue
        while words and re.match(r"\w+=", words[0]):
            words.pop(0)
        if words and words[0].rpartition("/")[2] in COMMANDS:
            ends = [at for at, word in enumerate(words) if word in ("|", ">", "&&", ";", "2>", "&")]
            yield [words[0].rpartition("/")[2], *words[1 : min(ends, default=len(words))]]


def _command(words: list[str], known: dict[str, set[str]]) -> str:
    """The longest beginning that is a command; promote's own is `promote artifact`."""
    found = next(" ".join(words[:count]) for count in (3, 2, 1) if " ".join(words[:count]) in known)
    return "promote artifact" if found == "promote" else found


def _settings() -> Iterator[str]:
    for name, field in Settings.model_fields.items():
        yield name
        if isinstance(field.default, BaseModel):
            yield from (f"{name}__{inner}" for inner in type(field.default).model_fields)


def _names(family: str, kind: str) -> tuple[str, ...]:
    endings = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count"), "info": ("_info",)}
    return (family, *(family + ending for ending in endings.get(kind, ())))
