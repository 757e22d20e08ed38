"""The console's page and files as they are sent, and what is vendored: small, tagged, and from nowhere else."""

import gzip
import hashlib
import json
import re
import shutil
import subprocess
import sys
import zipfile
from importlib.resources import files
from pathlib import Path

import httpx
import pytest
from prometheus_client import CollectorRegistry
from starlette.applications import Starlette

from serve.front import console
from serve.front.console import Console
from serve.metrics import Metrics
from tests.forms import FULL, needs

ROOT = Path(__file__).parents[3]
VENDORED = files(console) / "vendored"
SUMS = dict(reversed(line.split()) for line in (VENDORED / "SHA256SUMS").read_text().splitlines())


@pytest.fixture(scope="module")
def one() -> Console:
    return Console()


@pytest.fixture
def client(one: Console) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(Starlette(routes=one.routes())), base_url="http://console")


async def test_the_page_allows_nothing_that_is_not_the_servers_own(client: httpx.AsyncClient) -> None:
    page = await client.get("/")
    assert page.headers["content-security-policy"].startswith("default-src 'self'; ")
    assert "unsafe" not in page.headers["content-security-policy"]
    assert page.headers["x-content-type-options"] == "nosniff"
    assert not re.search(r"<style|style=|<script>|onclick=|https?://(?!www\.w3\.org)", page.text)


async def test_all_of_the_first_load_is_there_and_small(one: Console, client: httpx.AsyncClient) -> None:
    """A connection of a phone has it in half a second; a module that grows by half is looked at again."""
    page = await client.get("/")
    named = set(re.findall(r'(?:src|href)="(console/[^"]+)"', page.text))
    assert {path.rpartition("/")[2] for path in named} >= {"main.js", "console.css", "uPlot.iife.min.js", "good.svg"}
    answers = [page, *[await client.get(f"/{path}") for path in named]]
    assert {answer.status_code for answer in answers} == {200}
    assert len(answers) <= 25
    assert sum(len(gzip.compress(answer.content, 9)) for answer in answers) < 80_000


async def test_every_module_that_another_imports_is_loaded_with_the_page(
    one: Console, client: httpx.AsyncClient
) -> None:
    text = (await client.get("/")).text
    for name, file in one.files.items():
        if name.endswith(".js") and "uPlot" not in name:
            for imported in re.findall(r'from "\./([^"]+)"', file.plain.decode()):
                assert f'href="console/{one.version}/{imported}"' in text, (name, imported)


async def test_what_a_browser_has_already_is_not_sent_again(one: Console, client: httpx.AsyncClient) -> None:
    for path in ("/", f"/console/{one.version}/main.js"):
        for packing in ("gzip", "identity"):
            first = await client.get(path, headers={"accept-encoding": packing})
            assert first.headers.get("content-encoding", "identity") == packing
            tag = first.headers["etag"]
            again = await client.get(path, headers={"accept-encoding": packing, "if-none-match": tag})
            assert (again.status_code, again.content) == (304, b"")
            assert again.headers["etag"] == tag
            other = await client.get(path, headers={"accept-encoding": packing, "if-none-match": '"another"'})
            assert other.status_code == 200


async def test_a_file_is_kept_for_ever_and_the_page_is_asked_for_anew(one: Console, client: httpx.AsyncClient) -> None:
    page, file = await client.get("/"), await client.get(f"/console/{one.version}/main.js")
    assert page.headers["cache-control"] == "no-cache"
    assert file.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert file.headers["content-type"] == "text/javascript; charset=utf-8"


@pytest.mark.parametrize("path", ["/console/0123456789abcdef/main.js", "/console/{version}/nothing.js"])
async def test_a_file_of_another_version_is_not_found(one: Console, client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(path.format(version=one.version))
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_what_is_vendored_is_what_was_vendored() -> None:
    found = {one.name: hashlib.sha256(one.read_bytes()).hexdigest() for one in VENDORED.iterdir()}
    del found["SHA256SUMS"]
    assert found == SUMS


@FULL
@needs("npm")
def test_what_is_vendored_are_the_packages_own_bytes(tmp_path: Path) -> None:
    """npm checks what it brings against the hash in the lock, which names no address."""
    lock = (ROOT / "vendor" / "package-lock.json").read_text()
    assert '"resolved"' not in lock
    assert json.loads(lock)["packages"]["node_modules/uplot"]["integrity"].startswith("sha512-")
    for name in ("package.json", "package-lock.json"):
        shutil.copy(ROOT / "vendor" / name, tmp_path)
    install = ["npm", "ci", "--omit=dev", "--ignore-scripts", "--no-audit", "--no-fund"]
    done = subprocess.run(install, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    package = tmp_path / "node_modules" / "uplot"
    for name in ("uPlot.iife.min.js", "uPlot.min.css"):
        assert (VENDORED / name).read_bytes() == (package / "dist" / name).read_bytes()
    assert (VENDORED / "LICENSE.uPlot.txt").read_bytes() == (package / "LICENSE").read_bytes()


@FULL
def test_the_wheel_has_every_file(one: Console, tmp_path: Path) -> None:
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(tmp_path), str(ROOT)]
    done = subprocess.run(build, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    told = zipfile.ZipFile(next(tmp_path.glob("*.whl"))).namelist()
    for folder in ("assets", "vendored"):
        for file in (files(console) / folder).iterdir():
            assert f"serve/front/console/{folder}/{file.name}" in told


def test_every_metric_that_the_page_reads_is_one_of_the_server() -> None:
    families = list(Metrics(CollectorRegistry()).registry.collect())
    declared = {one.name + ("_total" if one.type == "counter" else "") for one in families}
    read = {
        name
        for file in (ROOT / "serve/front/console/assets").glob("*.js")
        for name in re.findall(r"\bpinion_\w+", file.read_text())
    }
    assert read
    assert read <= declared
