"""The pages that are made from code say what the code says."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("page", ["errors", "options", "routes"])
def test_a_page_made_from_code_is_fresh(page: str) -> None:
    made = subprocess.run(
        [sys.executable, ROOT / "docs" / f"generate_{page}.py"], capture_output=True, text=True, check=True
    )
    assert (ROOT / "docs" / f"{page}.md").read_text() == made.stdout, "run make docs"
