"""docs/metrics.md says what the metrics say."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_metrics_page_is_made_from_the_metrics() -> None:
    made = subprocess.run(
        [sys.executable, ROOT / "docs" / "generate_metrics.py"], capture_output=True, text=True, check=True
    )
    assert (ROOT / "docs" / "metrics.md").read_text() == made.stdout, "run make docs"
