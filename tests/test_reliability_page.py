"""docs/reliability.md names tests that exist, and every test that is named after a row of the catalogue."""

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
PAGE = (TESTS.parent / "docs" / "reliability.md").read_text()

NAMED = set(re.findall(r"`(test_\w+)`", PAGE))
THERE = {name for file in TESTS.rglob("test_*.py") for name in re.findall(r"def (test_\w+)", file.read_text())}


def test_every_test_that_the_page_names_exists() -> None:
    assert NAMED
    assert sorted(NAMED - THERE) == []


@pytest.mark.parametrize("section", "abcdefgh")
def test_every_test_of_a_row_is_on_the_page(section: str) -> None:
    rows = {name for name in THERE if re.match(rf"test_{section}\d+_", name)}
    assert rows
    assert sorted(rows - NAMED) == []
