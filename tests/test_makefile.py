"""The first thing anybody types, and stops, and types again."""

import subprocess
import sys
from pathlib import Path

from tests.forms import needs

pytestmark = needs("make")

ROOT = Path(__file__).parents[1]


def test_an_environment_that_was_stopped_while_it_was_made_is_made_anew(tmp_path: Path) -> None:
    """Ctrl-C in the first seconds leaves a Python without pip."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / ".venv"], check=True)
    (tmp_path / "requirements").symlink_to(ROOT / "requirements")
    make = ["make", f"--makefile={ROOT / 'Makefile'}", f"PYTHON={sys.executable}", ".venv/.uv"]
    subprocess.run(make, cwd=tmp_path, check=True, timeout=300)
    assert (tmp_path / ".venv/bin/uv").is_file()
