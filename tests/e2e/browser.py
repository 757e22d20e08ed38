"""A headless Chromium, driven over the W3C WebDriver protocol: open a page, click, read, take a picture."""

import base64
import contextlib
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx

INSTALLED = all(shutil.which(name) for name in ("chromium", "chromedriver"))

_ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # the protocol's own key
_ARGUMENTS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--window-size=1300,1500",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",  # there is no network but this machine
]


class Browser:
    """One session of a browser."""

    def __init__(self, driver: str) -> None:
        self._client = httpx.Client(base_url=driver, timeout=60.0)
        capabilities = {"browserName": "chrome", "goog:chromeOptions": {"args": _ARGUMENTS}}
        capabilities["goog:loggingPrefs"] = {"browser": "ALL"}
        self._session = "/session"
        made = self._ask("POST", "", {"capabilities": {"alwaysMatch": capabilities}})
        self._session = f"/session/{made['sessionId']}"
        self._ask("POST", "/timeouts", {"implicit": 20_000})  # how long it waits for what is looked for

    def open(self, url: str) -> None:
        self._ask("POST", "/url", {"url": url})

    def click(self, selector: str) -> None:
        """Click the first element of that CSS selector, as soon as there is one."""
        self._ask("POST", f"{self._found(selector)}/click", {})

    def text(self, selector: str) -> str:
        return str(self._ask("GET", f"{self._found(selector)}/text"))

    def value(self, selector: str) -> str:
        return str(self._ask("GET", f"{self._found(selector)}/property/value"))

    def errors(self) -> list[str]:
        """What the page could not load, and what went wrong in its scripts."""
        logged = self._ask("POST", "/se/log", {"type": "browser"})
        return [entry["message"] for entry in logged if entry["level"] == "SEVERE"]

    def picture(self, path: Path) -> None:
        path.write_bytes(base64.b64decode(self._ask("GET", "/screenshot")))

    def close(self) -> None:
        self._ask("DELETE", "")
        self._client.close()

    def _found(self, selector: str) -> str:
        found = self._ask("POST", "/element", {"using": "css selector", "value": selector})
        return f"/element/{found[_ELEMENT]}"

    def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        answer = self._client.request(method, self._session + path, json=body)
        assert answer.status_code == 200, answer.text[:500]
        return answer.json()["value"]


@contextlib.contextmanager
def browser() -> Iterator[Browser]:
    """A browser, closed in the end."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    driver = subprocess.Popen(["chromedriver", f"--port={port}"], stdout=subprocess.DEVNULL)
    try:
        _await(f"http://127.0.0.1:{port}")
        one = Browser(f"http://127.0.0.1:{port}")
        try:
            yield one
        finally:
            one.close()
    finally:
        driver.terminate()
        driver.wait()


def _await(driver: str, seconds: float = 30.0) -> None:
    transport = httpx.HTTPTransport(retries=8)  # with growing pauses, until it listens
    with httpx.Client(transport=transport, timeout=seconds) as client:
        assert client.get(f"{driver}/status").json()["value"]["ready"]


__all__ = ["INSTALLED", "Browser", "browser"]
