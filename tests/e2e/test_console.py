"""The console in a real browser, before a real server that asks for keys, on its control port.

One server and one browser for all of it, in the order of a night: who opens the page has no key yet, looks, predicts,
rolls back, and meets a release that fails.
"""

import json
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files

import httpx
import pytest

from tests.e2e import browser
from tests.e2e.browser import Browser
from tests.e2e.conftest import Repository
from tests.e2e.guarded import new_key
from tests.e2e.server import Server

pytestmark = pytest.mark.skipif(not browser.INSTALLED, reason="chromium and chromium-driver are not installed")

AXE = (files("axe_core_python") / "axe.min.js").read_text()
FOUND = """
const done = arguments[arguments.length - 1];
axe.run(document, {resultTypes: ['violations']}).then((found) => done(
    found.violations.map((one) => [one.id, ...one.nodes.map((node) => node.html.slice(0, 200))])));
"""
REFUSED = """
const done = arguments[arguments.length - 1];
import(`${document.baseURI}${document.body.dataset.files}/key.js`).then(({askForKey}) => {
  askForKey(null);
  done([sessionStorage.getItem('pinion-key'), document.getElementById('key').open]);
});
"""


@dataclass(frozen=True)
class Night:
    """A server whose repository may be changed, the page's address, a browser, and keys by scope."""

    server: Server
    repository: Repository
    page: Browser
    keys: dict[str, str]

    def digest(self, *, whole: bool = False) -> str:
        """That of the oracle of promotion 1, as the page shows it, or whole."""
        pin = self.repository.git("show", f"{self.repository.revisions[1]}:models.dvc")
        digest = next(line.split()[-1] for line in pin.splitlines() if "digest:" in line)
        return digest if whole else digest.removeprefix("sha256:")[:12]

    @property
    def url(self) -> str:
        return str(self.server.wait("listening for control")["url"])

    def opened(self, key: str = "") -> Browser:
        """The page, opened anew: with this key, or as a tab that has none."""
        self.page.open(f"{self.url}/")
        self.page.script(
            "arguments[0] ? sessionStorage.setItem('pinion-key', arguments[0]) : sessionStorage.clear()", key
        )
        self.page.errors()  # those of the page without a key
        self.page.open(f"{self.url}/")
        return self.page


@pytest.fixture(scope="module")
def night(promoted: Repository, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Night]:
    promoted.checkout(1)
    file = tmp_path_factory.mktemp("keys") / "keys.txt"
    keys = {scope: new_key(file, scope, scope) for scope in ("predict", "admin")}
    settings = {"auth__keys": file, "http__control_port": 0, "rollout__watch_interval_seconds": 0.1}
    with Server(promoted.folder, promoted.state, **settings) as server, browser.browser() as page:
        yield Night(server.ready(), promoted, page, keys)


@pytest.fixture(autouse=True)
def as_before(night: Night) -> Iterator[None]:
    """Each test ends as it began, with promotion 1 live."""
    yield
    night.repository.checkout(1)
    headers = {"authorization": f"Bearer {night.keys['admin']}"}
    while True:
        told = httpx.get(f"{night.url}/models", headers=headers).json()
        if told["release"]["commit"] == night.repository.revisions[1] and told["failure"] is None:
            return


def test_it_loads_without_an_error_and_says_what_is_live(night: Night) -> None:
    page = night.opened(night.keys["admin"])
    page.until(says("#verdict .word", "Serving"))
    page.until(says("#last .back", f"git checkout {night.repository.revisions[0][:12]} -- models.dvc"))
    page.until("document.querySelector('#predicting form')")
    page.until(says("#figures", "since start"))
    assert page.script("return document.title") == "Serving · Pinion"
    assert page.errors() == []


def test_it_loads_from_nowhere_else(night: Night) -> None:
    page = night.opened(night.keys["admin"])
    page.until("document.querySelector('#predicting form')")
    loaded = page.script("return performance.getEntriesByType('resource').map((one) => one.name)")
    assert len(loaded) > 10
    assert [one for one in loaded if not one.startswith(f"{night.url}/")] == []


def test_the_keyboard_alone_reaches_and_sends_the_form(night: Night) -> None:
    page = night.opened(night.keys["admin"])
    page.until("document.querySelector('[data-column=x]')")
    for _ in range(60):
        page.press("Tab")
        if page.script("return document.activeElement.dataset.column") == "x":
            break
    page.script("document.activeElement.select()")
    page.press("7", "Enter")
    page.until(says(".answer .result", "Answered"))
    cells = page.script("return [...document.querySelectorAll('.answer td')].map((one) => one.textContent)")
    assert cells[:2] == ["21", "3"]
    assert night.digest() in page.text(".answer .lineage")


def test_a_refusal_marks_the_field_it_names(night: Night) -> None:
    page = night.opened(night.keys["admin"])
    page.click("[data-column=x]")
    page.script("document.activeElement.select()")
    page.press("seven", "Enter")
    page.until(says(".answer .result", "422 invalid_inputs"))
    assert "x" in page.text(".answer .reason")
    assert page.script("return document.activeElement.matches('[data-column=x][aria-invalid=true]')")


def test_it_follows_a_rollback_without_being_loaded_again(night: Night) -> None:
    page = night.opened(night.keys["admin"])
    first, second = night.repository.revisions[:2]
    page.until(says("#last", second[:12]))
    page.script("window.still = true")
    night.repository.checkout(0)
    page.until(says("#last", first[:12]))
    page.until(says("#last", "rolled back"))
    page.until(says("#releases .release.live", first[:12]))
    page.until(says("#attempts .attempt", first[:12]))
    assert page.script("return window.still") is True


def test_a_release_that_fails_is_shown_with_its_reason_and_the_old_one_answers(night: Night) -> None:
    page = night.opened(night.keys["admin"])
    page.until(says("#verdict .word", "Serving"))
    pin = night.repository.folder / "models.dvc"
    pin.write_text(pin.read_text().replace(night.digest(whole=True), f"sha256:{'0' * 64}"))
    page.until(says(".trouble h2", "digest_mismatch"))
    assert page.text("#verdict .word") == "Serving the release before"
    assert "oracle" in page.text(".trouble .reason")
    page.until(says("#attempts .attempt.bad", "digest_mismatch"))
    page.click("#predicting .primary")
    page.until(says(".answer .result", "Answered"))


def test_it_asks_for_a_key_shows_nothing_before_and_forgets_it_on_request(night: Night) -> None:
    page = night.opened()
    page.until("document.getElementById('key').open")
    assert page.text("#verdict .word") == "Ready"
    assert "oracle" not in page.script("return document.body.textContent")
    page.press("wrong", "Enter")
    page.until(says("#key-told", "opens nothing"))
    page.until("document.getElementById('key').open")
    page.press(night.keys["admin"], "Enter")
    page.until(says("#deployed", "oracle"))
    assert page.text("#verdict .word") == "Serving"
    page.click("#forget")
    page.until("document.getElementById('key').open")
    assert page.script("return sessionStorage.length") == 0


def test_who_does_not_want_to_give_a_key_is_not_asked_again_until_they_do(night: Night) -> None:
    page = night.opened()
    page.until("document.getElementById('key').open")
    page.press("Escape")
    page.until(says("#forget", "Enter a key"))
    assert page.script_until_done(REFUSED) == [None, False]
    page.click("#forget")
    page.until("document.getElementById('key').open")
    page.press(night.keys["admin"], "Enter")
    page.until(says("#deployed", "oracle"))


def test_a_key_that_came_while_the_one_before_was_refused_is_kept(night: Night) -> None:
    page = night.opened(night.keys["admin"])
    assert page.script_until_done(REFUSED) == [night.keys["admin"], False]


def test_a_key_that_may_only_predict_is_told_what_it_may_not_see(night: Night) -> None:
    page = night.opened(night.keys["predict"])
    page.until(says("#quiet", "This key may not see metrics"))
    page.click("#predicting .primary")
    page.until(says(".answer .result", "Answered"))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_wrong(night: Night, scheme: str) -> None:
    page = night.opened(night.keys["admin"])
    page.command("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
    page.click("#predicting .primary")
    page.until(says(".answer .result", "Answered"))
    page.until("document.querySelector('.charts .uplot')")
    page.script(AXE)
    assert page.script_until_done(FOUND) == []


def test_one_request_at_a_time(night: Night) -> None:
    page = night.opened(night.keys["admin"])
    page.until("document.querySelector('[data-column=fault]')")
    page.click("[data-column=fault]")
    page.press("nap:0.5")
    page.script("const form = document.querySelector('#predicting form'); form.requestSubmit(); form.requestSubmit()")
    page.until(says(".answer .result", "Answered"))
    assert (
        page.script(
            "return performance.getEntriesByType('resource').filter((one) => one.name.endsWith('/predict')).length"
        )
        == 1
    )


def test_what_is_open_stays_open_while_workers_come_and_go(night: Night) -> None:
    page = night.opened(night.keys["admin"])
    page.click("#deployed summary")
    (worker,) = page.script("return [...document.querySelectorAll('#deployed .pid')].map((one) => one.textContent)")
    os.kill(int(worker), signal.SIGKILL)
    page.until(
        "document.querySelector('#deployed .pid') && document.querySelector('#deployed .pid').textContent !== told",
        worker,
    )
    assert page.script("return document.querySelector('#deployed details').open")


def says(selector: str, text: str) -> str:
    """That an element has this text in it, as a condition of JavaScript."""
    return f"document.querySelector({json.dumps(selector)})?.textContent.includes({json.dumps(text)})"
