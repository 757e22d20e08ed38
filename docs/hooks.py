"""What mkdocs asks while it builds the site: those of the repository's root and of deploy/ join those of docs/.

Links are written as they hold in the repository, where people read them too. Here each is made to lead to the page it
means; one to a file that is no page of the site, such as a test, becomes that file's name.
"""

import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
ELSEWHERE = {
    "ARCHITECTURE.md": "architecture.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
    "deploy/README.md": "deploy.md",
    "deploy/prometheus/README.md": "prometheus.md",
}  # pages that are not in docs/, and where they are in the site

_LINK = re.compile(r"(!?)\[([^\]]*)\]\((?!\w+:|#)([^)\s#]+)(#[^)\s]*)?\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """The pages that are not in docs/, under names like every other's."""
    for path, place in ELSEWHERE.items():
        files.append(File.generated(config, place, abs_src_path=str(ROOT / path)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """The page with its links as they hold in the site."""
    here = page.file.src_uri
    source = next((path for path, place in ELSEWHERE.items() if place == here), f"docs/{here}")

    def led(match: re.Match[str]) -> str:
        mark, text, link, anchor = match.groups(default="")
        place = in_site(posixpath.normpath(posixpath.join(posixpath.dirname(source), link)))
        if place is None or files.get_file_from_path(place) is None:
            return mark + text if text.startswith("`") else f"{text}, `{Path(link).name}`"
        return f"{mark}[{text}]({posixpath.relpath(place, posixpath.dirname(here) or '.')}{anchor})"

    return _LINK.sub(led, markdown)


def in_site(path: str) -> str | None:
    """Where the site has a file of the repository; None where it has not."""
    if path in ELSEWHERE:
        return ELSEWHERE[path]
    if path == "README.md":
        return "index.md"
    if path == "docs/decisions":
        return "decisions/index.md"
    return path.removeprefix("docs/") if path.startswith("docs/") else None
