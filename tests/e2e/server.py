"""The installed command `serve` as a real process, watched through its own log; and a load that checks answers."""

import asyncio
import itertools
import json
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

SERVE = Path(sys.executable).with_name("serve")


class Server:
    """`serve` on a free port; a context manager that never leaves it running."""

    def __init__(self, repo: Path, state: Path, **settings: Any) -> None:
        self.events: list[dict[str, Any]] = []
        self.state = state
        variables = {f"PINION_{name}".upper(): str(value) for name, value in settings.items()}
        self._changed = threading.Condition()
        self.process = subprocess.Popen(
            [SERVE, "--repo", str(repo), "--port", "0"],
            env={**os.environ, "PINION_ARTIFACT__STATE": str(state), **variables},
            stderr=subprocess.PIPE,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._reader.join()
        assert self.process.stderr is not None
        self.process.stderr.close()

    @property
    def url(self) -> str:
        return str(self.wait("listening")["url"])

    def wait(self, event: str, count: int = 1, seconds: float = 120.0, **fields: Any) -> dict[str, Any]:
        """The `count`-th log line of this event with these fields, as soon as it is there."""
        deadline = time.monotonic() + seconds
        with self._changed:
            while len(found := self._matching(event, fields)) < count:
                left = deadline - time.monotonic()
                if left <= 0 or (self.process.poll() is not None and not self._reader.is_alive()):
                    raise AssertionError(f"no {count}. '{event}' {fields} in {self.events}")
                self._changed.wait(min(left, 0.5))
        return found[count - 1]

    async def seen(self, event: str, count: int = 1, seconds: float = 120.0) -> None:
        """`wait`, for tests whose load must go on meanwhile."""
        await asyncio.to_thread(self.wait, event, count, seconds)

    def ready(self) -> "Server":
        self.wait("release live")
        return self

    def get(self, path: str) -> httpx.Response:
        return httpx.get(self.url + path, timeout=10.0)

    def predict(self, body: Any, path: str = "/predict") -> httpx.Response:
        return httpx.post(self.url + path, json=body, timeout=30.0)

    def model(self, name: str = "oracle") -> dict[str, Any]:
        found: dict[str, Any] = self.get("/models").json()["models"][name]
        return found

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)

    def _matching(self, event: str, fields: dict[str, Any]) -> list[dict[str, Any]]:
        return [one for one in self.events if one["event"] == event and fields.items() <= one.items()]

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            with self._changed:
                self.events.append(json.loads(line) if line.startswith("{") else {"event": "text", "line": line})
                self._changed.notify_all()


@dataclass
class Load:
    """An open-loop load on the oracle: a request every 1/rate seconds whatever happens to the others.

    Each answer must be its own input times the factor it declares; `lost` and `wrong` say what was not so.
    """

    url: str
    rate: float = 50.0
    digests: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    async def __aenter__(self) -> "Load":
        self._client = httpx.AsyncClient(
            timeout=30.0, limits=httpx.Limits(max_connections=200, max_keepalive_connections=200)
        )
        self._stopped, self._progress = asyncio.Event(), asyncio.Event()
        self._main = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._stopped.set()
        await self._main
        await self._client.aclose()

    @property
    def answered(self) -> int:
        return len(self.digests)

    async def until(self, answered: int, seconds: float = 60.0) -> None:
        """Wait until that many more requests were answered or lost."""
        goal = self.answered + len(self.lost) + answered
        async with asyncio.timeout(seconds):
            while self.answered + len(self.lost) < goal:
                self._progress.clear()
                await self._progress.wait()

    async def _run(self) -> None:
        began = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for number in itertools.count():
                due = began + number / self.rate
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                if self._stopped.is_set():
                    return
                group.create_task(self._one(float(number)))

    async def _one(self, x: float) -> None:
        await self._ask(x)
        self._progress.set()

    async def _ask(self, x: float) -> None:
        try:
            answer = await self._client.post(self.url + "/predict", json={"inputs": {"x": [x]}})
        except httpx.HTTPError as error:
            self.lost.append(f"{type(error).__name__}: {error}")
            return
        if answer.status_code != 200:
            self.lost.append(f"{answer.status_code}: {answer.text}")
            return
        self.digests.append(answer.headers["x-model-digest"])
        row = answer.json()["predictions"][0]
        if row["y"] != x * row["factor"]:
            self.wrong.append(f"{x} → {row}")
