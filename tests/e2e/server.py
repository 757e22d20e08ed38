"""The installed command `serve` as a real process, watched through its own log."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx

SERVE = Path(sys.executable).with_name("serve")


class Server:
    """`serve` on a free port; a context manager that never leaves it running.

    `before` is what runs the command, such as `prlimit --nofile=1024`.
    """

    def __init__(self, repo: Path, state: Path, *, before: Sequence[str] = (), **settings: Any) -> None:
        self.events: list[dict[str, Any]] = []
        self.state = state
        variables = {f"PINION_{name}".upper(): str(value) for name, value in settings.items()}
        self._changed = threading.Condition()
        self.process = self.begin(
            [*before, SERVE, "--repo", str(repo), "--port", "0"],
            {**os.environ, "PINION_ARTIFACT__STATE": str(state), **variables},
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def begin(self, command: Sequence[str | Path], environment: Mapping[str, str]) -> "subprocess.Popen[str]":
        """The process of the command."""
        return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)

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

    def count(self, event: str, **fields: Any) -> int:
        """How many log lines of this event with these fields there are so far."""
        return len(self._matching(event, fields))

    def ready(self) -> "Server":
        """Once a release is live; a server that has none by then is ended."""
        try:
            self.wait("release live")
        except AssertionError:
            self.__exit__()
            raise
        return self

    def get(self, path: str) -> httpx.Response:
        return httpx.get(self.url + path, timeout=10.0)

    def predict(self, body: Any, path: str = "/predict") -> httpx.Response:
        return httpx.post(self.url + path, json=body, timeout=30.0)

    def model(self, name: str = "oracle") -> dict[str, Any]:
        found: dict[str, Any] = self.get("/models").json()["models"][name]
        return found

    def pids(self, name: str = "oracle") -> set[int]:
        """The processes of a model's workers."""
        return {one["pid"] for one in self.model(name)["workers"]}

    def busy(self, name: str = "oracle") -> int:
        """How many of a model's workers predict."""
        return sum(one["state"] == "busy" for one in self.model(name)["workers"])

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)

    def _matching(self, event: str, fields: dict[str, Any]) -> list[dict[str, Any]]:
        return [one for one in self.events if one["event"] == event and fields.items() <= one.items()]

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            print(line, end="")  # noqa: T201  # for who reads why a test failed
            with self._changed:
                self.events.append(json.loads(line) if line.startswith("{") else {"event": "text", "line": line})
                self._changed.notify_all()
