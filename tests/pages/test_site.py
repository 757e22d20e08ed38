"""The site, built strictly, as `make docs` does: nothing dead, nothing left out, nothing from elsewhere."""

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.conftest import made_once
from tests.pages.blocks import pages

ROOT = Path(__file__).parents[2]

_LOADED = {"script": "src", "img": "src", "link": "href", "iframe": "src", "source": "src", "video": "src"}


class Loads(HTMLParser):
    """What a page has its reader's browser fetch."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(page.read_text())

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = dict(attributes)
        if tag in _LOADED and given.get("rel") not in ("canonical", "next", "prev"):
            self.found.append(given.get(_LOADED[tag]) or "")


def build(folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", folder],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_once(tmp_path_factory, "site", build)


def test_every_page_is_in_the_site_and_in_its_navigation(site: Path) -> None:
    menu = (site / "index.html").read_text()
    for page in pages():
        place = page.removeprefix("docs/") if page.startswith("docs/") else page.lower()
        place = place.removesuffix("/readme.md").removeprefix("deploy/").removesuffix(".md")
        if page in ("README.md", "docs/index.md"):  # what the one says on the repository's page, the other says here
            continue
        assert (site / f"{place}.html").exists(), page
        assert f'href="{place}.html"' in menu, page


def test_a_reader_s_browser_asks_nobody_else_for_anything(site: Path) -> None:
    for page in site.rglob("*.html"):
        elsewhere = [one for one in Loads(page).found if re.match(r"(https?:)?//", one)]
        assert elsewhere == [], page
    for style in site.rglob("*.css"):
        assert re.findall(r"url\(['\"]?(?:https?:)?//", style.read_text()) == [], style


def test_nothing_but_pages_and_what_they_show_is_in_the_site(site: Path) -> None:
    assert [one for one in site.rglob("*") if one.suffix in (".py", ".yml")] == []
