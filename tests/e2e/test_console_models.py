"""The console with this repository's own models, and with a server that comes and goes, below a path of a proxy."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e import browser
from tests.e2e.browser import Browser
from tests.e2e.proxy import proxy
from tests.e2e.server import Server
from tests.e2e.test_console import says
from tests.forms import FULL

pytestmark = [
    FULL,
    pytest.mark.skipif(not browser.INSTALLED, reason="chromium and chromium-driver are not installed"),
]

ROOT = Path(__file__).parents[2]
PAINTED = "return JSON.parse(document.querySelector('#digits-in-0').value)"

SHOW = """
const told = arguments[0];
import(`${document.baseURI}${document.body.dataset.files}/rollouts.js`).then((one) => one.showRollouts({doing: null,
  attempts: [{began: told, models: {}, revision: told, steps: [{step: told, seconds: 1}], outcome: told,
    reason: told}]}, null));
"""

CLOCK = """
const done = arguments[arguments.length - 1];
import(`${document.baseURI}${document.body.dataset.files}/api.js`).then(async ({ask, now}) => {
  await ask('late');
  done(new Date(now()).getUTCFullYear());
});
"""


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("own") / "clone"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(folder)], check=True)
    return folder


@pytest.fixture(scope="module")
def server(clone: Path, state: Path) -> Iterator[Server]:
    with Server(clone, state) as one:
        one.wait("release live", seconds=280)  # its environment is made first
        yield one


@pytest.fixture(scope="module")
def page() -> Iterator[Browser]:
    with browser.browser() as one:
        yield one


def test_a_digit_is_painted_by_hand_and_its_scores_are_bars(server: Server, page: Browser) -> None:
    opened(page, f"{server.url}/")
    page.until("document.querySelector('.paint')")
    before = page.script(PAINTED)
    page.script("document.querySelector('.paint').focus()")
    page.press("Space", "ArrowRight", "Space")
    after = page.script(PAINTED)
    changed = [(row, at) for row in range(8) for at in range(8) if before[row][at] != after[row][at]]
    assert changed == [(4, 4), (4, 5)]
    assert {after[row][at] for row, at in changed} <= {0, 16}
    page.click(".shell summary")
    page.until("document.querySelector('.shell code')")
    page.click("#predicting .primary")
    page.until(says(".answer .result", "Answered"))
    rows = page.script("return document.querySelectorAll('.answer .scores > li').length")
    assert rows == page.script("return document.querySelectorAll('.answer .scores .picture').length") > 0
    sent = json.loads(page.script("return document.querySelector('.shell code').textContent").partition("-d '")[2][:-1])
    assert sent["inputs"][0] == after
    best = max(range(10), key=server.predict(sent, "/models/digits/predict").json()["predictions"][0].__getitem__)
    assert page.text(".answer .bars caption") == f"Row 1: {best}"
    assert page.errors() == []


def test_a_frame_is_a_table_and_what_the_server_refuses_is_marked_in_its_row(server: Server, page: Browser) -> None:
    opened(page, f"{server.url}/")
    page.until("document.querySelector('input[name=model][value=tumours]')")
    page.script("document.querySelector('input[name=model][value=tumours]').click()")
    page.click("#predicting .primary")
    page.until("document.querySelector('.answer thead')")
    heads = "return [...document.querySelectorAll('.answer thead th')].map((one) => one.textContent)"
    assert page.script(heads) == ["row", "label", "probability"]
    page.click(".pager button[aria-label='Next row']")
    page.script("document.querySelector('[data-column=mean_area]').select()")
    page.script("document.querySelector('[data-column=mean_area]').focus()")
    page.press("large")
    page.click(".pager button[aria-label='Row before']")
    page.click("#predicting .primary")
    page.until(says(".answer .result", "422 invalid_inputs"))
    assert page.text(".pager span").startswith("Row 2 of")
    assert page.script("return document.activeElement.dataset.column") == "mean_area"


def test_what_a_model_says_is_never_markup(server: Server, page: Browser) -> None:
    opened(page, f"{server.url}/")
    page.until("document.querySelector('#releases .release')")
    hostile = "<img src=x onerror=document.title='owned'><script>document.title='owned'</script>"
    page.script(SHOW, hostile)
    page.until(says("#attempts", "<img src=x"))
    assert page.script("return document.querySelectorAll('main img, main script').length") == 0
    assert "owned" not in page.script("return document.title")


def test_below_a_path_it_says_when_the_server_is_gone_and_goes_on_once_it_is_back(
    server: Server, page: Browser
) -> None:
    with proxy(server.url, "/team/pinion/") as between:
        opened(page, between.url)
        page.until(says("#verdict .word", "Serving"))
        page.click(".shell summary")
        page.until("document.querySelector('.shell code')")
        assert f"{between.url}models/digits/predict" in page.script(
            "return document.querySelector('.shell').textContent"
        )
        assert page.errors() == []
        page.script("window.still = true")
        between.is_cut = True
        page.until(says("#verdict .word", "No answer"))
        assert page.script("return document.querySelectorAll('#deployed .card').length") == 2
        between.is_cut = False
        page.until("document.querySelector('#verdict .word').textContent === 'Serving'")
        assert page.script("return window.still") is True


def test_a_proxys_own_page_is_no_answer_of_the_server(server: Server, page: Browser) -> None:
    with proxy(server.url, "/team/") as between:
        opened(page, between.url)
        page.until(says("#verdict .word", "Serving"))
        between.own |= dict.fromkeys(("health/ready", "models"), (502, {"content-type": "text/html"}, "<h1>Bad</h1>"))
        page.until(says("#verdict .word", "No answer"))
        between.own.clear()
        page.until(says("#verdict .word", "Serving"))


def test_a_part_that_cannot_be_shown_stops_neither_the_others_nor_the_rounds(server: Server, page: Browser) -> None:
    with proxy(server.url, "/team/") as between:
        between.own["rollouts"] = (200, {"content-type": "application/json"}, '{"attempts": 7}')
        between.own["metrics"] = (200, {"content-type": "text/plain"}, "what is this?")
        between.own["openapi.json"] = (500, {}, "")
        opened(page, between.url)
        page.until(says("#deployed", "digits"))
        page.until("document.querySelector('#predicting form')")
        between.is_cut = True
        page.until(says("#verdict .word", "No answer"))
        between.is_cut = False
        between.own.clear()
        page.until(says("#attempts", "went live"))
        assert page.script("return document.querySelectorAll('#deployed .card').length") == 2


def test_times_are_told_by_the_servers_clock(server: Server, page: Browser) -> None:
    with proxy(server.url, "/team/") as between:
        opened(page, between.url)
        between.own["late"] = (200, {"date": "Fri, 01 Jan 2100 00:00:00 GMT"}, "")
        year = page.script_until_done(CLOCK)
        assert year == 2100


def opened(page: Browser, url: str) -> None:
    """Open it, with nothing told of the pages before."""
    page.open(url)
    page.errors()
    page.open(url)
