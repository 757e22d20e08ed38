"""The pages that a person types, typed: each in a fresh clone, or in an empty folder where Pinion is installed."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.forms import FULL, needs
from tests.pages.blocks import blocks
from tests.pages.terminal import Terminal

pytestmark = needs("make", "curl", "openssl")

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent

CLONE, FOLDER = "a fresh clone", "an empty folder"
TYPED = {
    "README.md": CLONE,
    "docs/tutorial.md": CLONE,
    "docs/index.md": CLONE,
    "docs/guides/rollbacks.md": CLONE,
    "docs/guides/your-model.md": FOLDER,
    "docs/guides/from-mlflow.md": FOLDER,
    "docs/guides/from-mlserver.md": FOLDER,
    "docs/guides/from-bentoml.md": FOLDER,
}


def home(folder: Path) -> Mapping[str, str]:
    """The variables of a person whom git knows, and whose packages come from where they come from here."""
    folder.mkdir()
    (folder / ".gitconfig").write_text(
        "[user]\n\tname = Ada\n\temail = ada@example.org\n[init]\n\tdefaultBranch = main\n"
    )
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("PINION_", "MLFLOW_", "VIRTUAL_ENV"))
    }
    cache = os.environ.get("UV_CACHE_DIR", str(Path.home() / ".cache" / "uv"))
    return {**kept, "HOME": str(folder), "UV_CACHE_DIR": cache}


@FULL
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("page", TYPED)
def test_a_page_leads_where_it_says_typed_as_it_stands(page: str, tmp_path: Path) -> None:
    variables, folder, scratch = home(tmp_path / "home"), tmp_path / "pinion", tmp_path / "typed"
    scratch.mkdir()
    if TYPED[page] == CLONE:
        subprocess.run(["git", "clone", "--quiet", ROOT, folder], check=True)
    else:
        folder.mkdir()
        variables = {**variables, "PATH": f"{BIN}:{variables['PATH']}"}
    with Terminal(folder, scratch, variables) as terminal:
        terminal.type(blocks(page))
