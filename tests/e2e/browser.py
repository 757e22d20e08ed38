"""A headless Chromium, driven over the W3C WebDriver protocol: open a page, click, type, read, take a picture."""

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
    "--force-prefers-reduced-motion",  # what is clicked stays where it is
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",  # there is no network but this machine
]


# Waits in the page itself for what changes there, without asking again and again.
_UNTIL = """
const [told, done] = [arguments[0], arguments[1]];
const look = () => { if (CONDITION) { seen.disconnect(); done(true); } };
const seen = new MutationObserver(look);
seen.observe(document, {subtree: true, childList: true, characterData: true, attributes: true});
look();
"""
KEYS = {"Escape": "\ue00c", "Tab": "\ue004", "Enter": "\ue007", "Space": " ", "ArrowRight": "\ue014"}


class Browser:
    """One session of a browser."""

    def __init__(self, driver: str) -> None:
        self._client = httpx.Client(base_url=driver, timeout=90.0)
        capabilities = {"browserName": "chrome", "goog:chromeOptions": {"args": _ARGUMENTS}}
        capabilities["goog:loggingPrefs"] = {"browser": "ALL"}
        self._session = "/session"
        made = self._ask("POST", "", {"capabilities": {"alwaysMatch": capabilities}})
        self._session = f"/session/{made['sessionId']}"
        # How long it waits for what is looked for, in milliseconds.
        self._ask("POST", "/timeouts", {"implicit": 20_000, "script": 50_000})

    def open(self, url: str) -> None:
        self._ask("POST", "/url", {"url": url})

    def click(self, selector: str) -> None:
        """Click the first element of that CSS selector, as soon as there is one."""
        self._ask("POST", f"{self._found(selector)}/click", {})

    def text(self, selector: str) -> str:
        return str(self._ask("GET", f"{self._found(selector)}/text"))

    def value(self, selector: str) -> str:
        return str(self._ask("GET", f"{self._found(selector)}/property/value"))

    def press(self, *keys: str) -> None:
        """Press keys one after another, wherever the focus is: those of `KEYS` by name, and text as it is typed."""
        pressed = "".join(KEYS.get(one, one) for one in keys)
        actions = [{"type": kind, "value": key} for key in pressed for kind in ("keyDown", "keyUp")]
        self._ask("POST", "/actions", {"actions": [{"type": "key", "id": "keys", "actions": actions}]})

    def script(self, script: str, *arguments: Any) -> Any:
        """What a function of that body returns in the page."""
        return self._ask("POST", "/execute/sync", {"script": script, "args": arguments})

    def script_until_done(self, script: str) -> Any:
        """What a function of that body gives to its last argument, in the end."""
        return self._ask("POST", "/execute/async", {"script": script, "args": []})

    def until(self, condition: str, told: Any = None) -> None:
        """Wait until this expression of JavaScript is true of the page; `told` is there by this name."""
        script = _UNTIL.replace("CONDITION", condition)
        self._ask("POST", "/execute/async", {"script": script, "args": [told]})

    def command(self, command: str, **parameters: Any) -> Any:
        """A command of Chromium's own, which WebDriver has none for."""
        return self._ask("POST", "/goog/cdp/execute", {"cmd": command, "params": parameters})

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
