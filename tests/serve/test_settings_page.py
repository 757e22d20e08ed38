"""docs/settings.md says what the settings say."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_settings_page_is_fresh() -> None:
    made = subprocess.run(
        [sys.executable, ROOT / "docs" / "generate_settings.py"], capture_output=True, text=True, check=True
    )
    assert (ROOT / "docs" / "settings.md").read_text() == made.stdout, "run make docs"
