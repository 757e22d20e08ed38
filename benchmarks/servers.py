"""The servers that are compared, each as its documentation starts it, one worker each."""

import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

PEERS = Path(__file__).parent / "peers"
_PATIENCE_SECONDS = 120.0


@dataclass
class Running:
    """A server that has answered; `start_seconds` is from its command to its first answer."""

    name: str
    url: str
    process: subprocess.Popen[bytes]
    start_seconds: float = 0.0

    @property
    def pids(self) -> list[int]:
        """The process and all it started that still live."""
        found, queue = [], [self.process.pid]
        while queue:
            pid = queue.pop()
            found.append(pid)
            for task in Path(f"/proc/{pid}/task").glob("*/children"):
                queue += map(int, task.read_text().split())
        return found

    @property
    def memory_bytes(self) -> Mapping[int, int]:
        """Proportional set size of each process: what is shared is counted once among all who share it."""
        return {pid: _pss(pid) for pid in self.pids}

    def stop(self) -> None:
        pids = self.pids
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            for pid in pids:
                os.kill(pid, signal.SIGKILL)
            self.process.wait()


def _pss(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):  # it has ended since it was listed
        return 0
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) * 1024


@dataclass(frozen=True)
class Server:
    """How to start one: `command` takes {port}; `path` is where predictions are asked for."""

    name: str
    command: tuple[str, ...]
    path: str
    folder: Path
    variables: Mapping[str, str] = field(default_factory=dict)

    @contextmanager
    def running(self, body: bytes, log: Path) -> Iterator[Running]:
        """Started, and stopped at the end; `body` is what it must answer before it counts as started."""
        port = free_port()
        command = [part.format(port=port) for part in self.command]
        url = f"http://127.0.0.1:{port}{self.path}"
        began = time.perf_counter()
        with log.open("wb") as output:
            process = subprocess.Popen(
                command, cwd=self.folder, stdout=output, stderr=output, env={**os.environ, **self.variables}
            )
        running = Running(self.name, url, process)
        try:
            _wait(running, body, log)
            running.start_seconds = time.perf_counter() - began
            yield running
        finally:
            running.stop()


def _wait(running: Running, body: bytes, log: Path) -> None:
    until = time.perf_counter() + _PATIENCE_SECONDS
    while time.perf_counter() < until:
        if running.process.poll() is not None:
            raise RuntimeError(f"{running.name} ended: {log.read_text()[-2000:]}")
        try:
            ask(running.url, body, "application/json")
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.02)
        else:
            return
    raise RuntimeError(f"{running.name} gave no answer in {_PATIENCE_SECONDS:g} s: {log.read_text()[-2000:]}")


def ask(url: str, body: bytes, content_type: str, headers: Mapping[str, str] | None = None) -> bytes:
    """One answer; `urllib.error.HTTPError` for a refusal."""
    request = urllib.request.Request(url, body, {"Content-Type": content_type, **(headers or {})})
    with urllib.request.urlopen(request, timeout=60) as response:
        answer: bytes = response.read()
        return answer


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def pinion(repository: Path, venv: Path, **settings: str) -> Server:
    """`serve`, following the repository's models.dvc; settings by the names of their variables."""
    return Server("Pinion", (str(venv / "bin" / "serve"), "--port", "{port}"), "/predict", repository, settings)


def mlflow(model: Path, venv: Path) -> Server:
    """`mlflow models serve`."""
    options = ("models", "serve", "--env-manager", "local", "--model-uri", str(model), "--port", "{port}")
    python = str(venv / "bin" / "python")
    variables = {"PATH": f"{venv / 'bin'}:{os.environ['PATH']}", "MLFLOW_DISABLE_TELEMETRY": "true"}
    return Server("mlflow models serve", (python, "-m", "mlflow", *options), "/invocations", model.parent, variables)


def mosec(model: Path, venv: Path, max_batch: int = 64, wait_ms: int = 2, *, orjson: bool = False) -> Server:
    """mosec with a worker that holds the model, batching on; with its own JSON, or with orjson."""
    program = (str(venv / "bin" / "python"), str(PEERS / "mosec_app.py"))
    options = ("--address", "127.0.0.1", "--port", "{port}", "--timeout", "30000")
    variables = {"MODEL": str(model), "MAX_BATCH": str(max_batch), "WAIT_MS": str(wait_ms)}
    if orjson:
        variables["ORJSON"] = "1"
    return Server("mosec + orjson" if orjson else "mosec", (*program, *options), "/inference", model.parent, variables)


def echo(venv: Path) -> Server:
    """An ASGI application that only echoes, on the same uvicorn as Pinion: the front's limit."""
    options = ("--port", "{port}", "--no-access-log", "--loop", "uvloop", "--http", "httptools", "--log-level", "error")
    return Server("echo", (str(venv / "bin" / "uvicorn"), "echo:app", *options), "/", PEERS)
