"""The console at `/`: a page and its files, which hold no data, so that whoever can connect may have them.

All of it is read from the package once and answered from memory, packed where the caller takes that. The files stand
below a path that names what is in them, so that they may be kept for ever, and a page never meets another one's files;
the page itself is asked for anew, and has not changed where its tag is the same. It loads nothing from elsewhere: its
`Content-Security-Policy` forbids it.
"""

import gzip
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from serve.errors import RouteNotFound
from serve.front.status import PROBLEM_TYPE, problem, status

PAGE = "/"
FILES = "/console/{files}/{name}"

_STYLES = ("page", "frame", "parts", "top", "models", "form", "answer", "history")
_TYPES = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
    "txt": "text/plain; charset=utf-8",
}
_POLICY = "; ".join(
    (
        "default-src 'self'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "object-src 'none'",
    )
)
_ALWAYS = {"x-content-type-options": "nosniff", "vary": "accept-encoding"}
_OF_PAGE = {"content-security-policy": _POLICY, "referrer-policy": "no-referrer", "cache-control": "no-cache"}
_OF_FILES = {"cache-control": "public, max-age=31536000, immutable"}


@dataclass(frozen=True, slots=True)
class File:
    """One of them as it is sent, plain or packed; `tag` names its bytes."""

    media: str
    plain: bytes
    packed: bytes
    tag: str

    @classmethod
    def of(cls, name: str, data: bytes) -> "File":
        tag = hashlib.sha256(data).hexdigest()[:16]
        return cls(_TYPES[name.rpartition(".")[2]], data, gzip.compress(data, 9, mtime=0), tag)


class Console:
    """The page and its files; `version` names the bytes of them all."""

    def __init__(self) -> None:
        found = dict(_read())
        digest = hashlib.sha256(b"".join(name.encode() + data for name, data in sorted(found.items())))
        self.version = digest.hexdigest()[:16]
        page = found.pop("index.html").decode()
        self.files = {name: File.of(name, data) for name, data in found.items()}
        self.page = File.of("index.html", self._whole(page).encode())

    def routes(self) -> list[Route]:
        """Where they are."""
        return [Route(PAGE, self._page), Route(FILES, self._file)]

    def _whole(self, page: str) -> str:
        """The page with the addresses of its files, relative to its own; modules are fetched all at once."""
        folder = f"console/{self.version}"
        modules = [name for name in sorted(self.files) if name.endswith(".js") and "uPlot" not in name]
        preloads = "\n".join(f'<link rel="modulepreload" href="{folder}/{name}">' for name in modules)
        return page.replace("PRELOADS", preloads).replace("FILES", folder)

    async def _page(self, request: Request) -> Response:
        return _answer(request, self.page, _OF_PAGE)

    async def _file(self, request: Request) -> Response:
        found = self.files.get(request.path_params["name"])
        if found is None or request.path_params["files"] != self.version:
            refusal = RouteNotFound("the console has no such file: load its page again")
            return Response(problem(refusal), status(refusal), media_type=PROBLEM_TYPE)
        return _answer(request, found, _OF_FILES)


def _answer(request: Request, file: File, headers: dict[str, str]) -> Response:
    """The file, or that the caller has it already."""
    packs = "gzip" in request.headers.get("accept-encoding", "")
    tag = f'"{file.tag}{"-gzip" if packs else ""}"'
    told = {**_ALWAYS, **headers, "etag": tag}
    if tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=told)
    if packs:
        told["content-encoding"] = "gzip"
    return Response(file.packed if packs else file.plain, headers=told, media_type=file.media)


def _read() -> Iterator[tuple[str, bytes]]:
    """Every file by name; the styles as one, in their order."""
    ours = files(__name__)
    found = {one.name: one for folder in ("assets", "vendored") for one in (ours / folder).iterdir()}
    styles = ["uPlot.min.css", *(f"{name}.css" for name in _STYLES)]
    yield "console.css", b"\n".join(found[name].read_bytes() for name in styles)
    for name, one in found.items():
        if name.rpartition(".")[2] in _TYPES and not name.endswith(".css"):
            yield name, one.read_bytes()
