"""The pictures of docs/console, of a real server under real load. `python -m tests.e2e.pictures [STATE]` takes them.

A clone of this repository is served. For two minutes its models are asked, now and then wrongly; one release is rolled
back and forth meanwhile. STATE is a state folder to use, so that environments need not be made again.
"""

import base64
import json
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from subprocess import run

import httpx
from PIL import Image

from tests.e2e.browser import Browser, browser
from tests.e2e.server import Server

ROOT = Path(__file__).parents[2]
TARGET = ROOT / "docs" / "console"
SECONDS = 120.0
WIDE, NARROW = (1440, 900), (390, 844)
MOST_BYTES = 200_000


def main() -> None:
    state = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(tempfile.mkdtemp()) / "state"
    clone = Path(tempfile.mkdtemp()) / "models"
    run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
    with Server(clone, state) as server, browser() as page:
        server.wait("release live", seconds=600)
        with asked(server.url):
            seen(page, server.url, WIDE)
            time.sleep(SECONDS / 2)
            for count, place in enumerate((1, 0), start=2):
                checked_out(clone, place)
                server.wait("release live", count, seconds=300)
            time.sleep(SECONDS / 2)
            taken(page, "live")
            seen(page, server.url, WIDE, dark=True)
            page.script("document.querySelector('#models').scrollIntoView()")
            time.sleep(8)
            taken(page, "dark")
            predicted(page, server.url)
            seen(page, server.url, NARROW)
            time.sleep(20)
            taken(page, "narrow")
            failed(page, server.url, clone, server)


def checked_out(clone: Path, place: int) -> None:
    """The rollback, to the release at that place of the history."""
    told = run(["git", "-C", str(clone), "log", "--format=%H", "--", "models.dvc"], capture_output=True, check=True)
    revision = told.stdout.decode().split()[place]
    run(["git", "-C", str(clone), "checkout", "--quiet", revision, "--", "models.dvc"], check=True)


def predicted(page: Browser, url: str) -> None:
    """A digit, sent and answered."""
    seen(page, url, (1440, 760))
    page.until("document.querySelector('#predicting .paint')")
    page.script("document.querySelectorAll('.pager button')[3]?.focus()")
    for _ in range(5):
        page.click(".pager button:last-child")  # but for two rows
    page.click("#predicting .primary")
    page.until("document.querySelector('.answer .bars')")
    page.script("document.querySelector('#try').scrollIntoView(); scrollBy(0, 28)")
    time.sleep(1)
    taken(page, "digit")


def failed(page: Browser, url: str, clone: Path, server: Server) -> None:
    """A release whose bytes are not those that were promoted."""
    pin = clone / "models.dvc"
    pin.write_text(pin.read_text().replace("digest: sha256:3e34", "digest: sha256:0000"))
    server.wait("rollout failed", seconds=300)
    seen(page, url, (1440, 760))
    page.until("document.querySelector('.trouble')")
    time.sleep(25)
    taken(page, "failed")


def seen(page: Browser, url: str, size: tuple[int, int], *, dark: bool = False) -> None:
    """The page in a window of that size."""
    width, height = size
    mobile = width < 600
    page.command("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=2, mobile=mobile)
    scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
    page.command("Emulation.setEmulatedMedia", features=[scheme])
    page.open(f"{url}/")
    page.until("document.querySelector('#releases .release')")


def taken(page: Browser, name: str) -> None:
    """Write the picture, with as few colours as it takes to be small."""
    told = page.command("Page.captureScreenshot", format="png")
    picture = Image.open(BytesIO(base64.b64decode(told["data"]))).convert("RGB")
    file = TARGET / f"{name}.png"
    picture.quantize(256, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(file, optimize=True)
    assert file.stat().st_size < MOST_BYTES, f"{file.name} has {file.stat().st_size} bytes"


@contextmanager
def asked(url: str) -> Iterator[None]:
    """Have the models asked, by nine callers that think between two questions."""
    bodies = {
        name: json.loads((ROOT / "docs" / "examples" / f"{name}.json").read_text()) for name in ("digits", "tumours")
    }
    over = threading.Event()

    def ask(name: str, pause: float) -> None:
        with httpx.Client(base_url=url, timeout=30) as client:
            for number in range(10**9):
                wrong = number % 60 == 7
                client.post(f"/models/{name}/predict", json={"inputs": [[0.5]]} if wrong else bodies[name])
                if over.wait(pause * (0.5 + (number % 7) / 6)):
                    return

    callers = [threading.Thread(target=ask, args=("digits", 0.05)) for _ in range(6)]
    callers += [threading.Thread(target=ask, args=("tumours", 0.12)) for _ in range(3)]
    for one in callers:
        one.start()
    try:
        yield
    finally:
        over.set()
        for one in callers:
            one.join()


if __name__ == "__main__":
    main()
