"""No link of any page is dead: files, anchors, pictures. Addresses elsewhere are of the few hosts listed here."""

import re
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from markdown_it import MarkdownIt

from tests.pages.blocks import pages

ROOT = Path(__file__).parents[2]

# Whom pages may send a reader to: nobody's package registry, and nobody who counts readers.
HOSTS = {
    "docs.astral.sh",
    "dvc.org",
    "github.com",
    "hypothesis.readthedocs.io",
    "keepachangelog.com",
    "mlflow.org",
    "opentelemetry.io",
    "semver.org",
    "www.rfc-editor.org",
    "www.w3.org",
}

_SOURCE = MarkdownIt().enable("table")


@pytest.mark.parametrize("page", pages())
def test_no_link_of_a_page_is_dead(page: str) -> None:
    assert [link for link in links(page) if not urlsplit(link).scheme and not leads(page, link)] == []


def test_addresses_elsewhere_are_of_hosts_that_were_chosen() -> None:
    found = {urlsplit(link).hostname for page in pages() for link in links(page) if urlsplit(link).scheme}
    assert sorted(map(str, found - HOSTS)) == []


def test_a_link_to_nothing_is_found(tmp_path: Path) -> None:
    (tmp_path / "page.md").write_text("# A page, and more\n\n## Twice\n\n## Twice\n\n| `a`  |\n|---|\n| [b](c.md) |\n")
    assert links("page.md", tmp_path) == ["c.md"]
    assert not leads("page.md", "c.md", tmp_path)
    assert not leads("page.md", "#there", tmp_path)
    for anchor in ("a-page-and-more", "twice", "twice-1"):
        assert leads("page.md", f"#{anchor}", tmp_path)


def links(page: str, root: Path = ROOT) -> list[str]:
    """Where the page's links and pictures lead."""
    inner = [child for token in _SOURCE.parse((root / page).read_text()) for child in token.children or ()]
    found = [one.attrs.get("href") or one.attrs.get("src") for one in inner if one.type in ("link_open", "image")]
    return [str(link) for link in found if link]


def leads(page: str, link: str, root: Path = ROOT) -> bool:
    """Whether there is such a file, and on it such a heading."""
    path, _, anchor = unquote(link).partition("#")
    target = (root / page).parent / path if path else root / page
    if not target.exists():
        return False
    return not anchor or target.suffix != ".md" or anchor in anchors(target)


def anchors(page: Path) -> set[str]:
    """Those that readers of the page's headings make: lower case, words with hyphens between them."""
    tokens = _SOURCE.parse(page.read_text())
    headings = [inline.content for opening, inline in pairwise(tokens) if opening.type == "heading_open"]
    found: set[str] = set(re.findall(r'<a id="([^"]+)"', page.read_text()))
    for heading in headings:
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)|`", r"\1", heading).lower()
        anchor = re.sub(r"[^\w\s-]", "", plain).strip().replace(" ", "-")
        numbered = (f"{anchor}-{number}" if number else anchor for number in range(len(headings)))
        found.add(next(one for one in numbered if one not in found))
    return found
