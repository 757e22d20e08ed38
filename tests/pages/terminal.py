"""A person's terminals, as a page has them: one to type in, and others where something stays. A context manager.

Blocks are typed in order, as they stand; whichever fails is named with what it printed. Where a page names a port, a
free one is typed in its place; nothing else is changed.
"""

import os
import re
import shlex
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from tests.pages.blocks import RUN, Block, Use

_DONE = "-- typed --"
_PORTS = ("8000", "5000", "8080", "8081", "8082", "3000")


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


class Staying:
    """What was started in another terminal and stays there, with all it printed, line by line."""

    def __init__(self, text: Path, folder: Path, environment: Mapping[str, str]) -> None:
        self.lines: list[str] = []
        self._changed = threading.Condition()
        self._process = subprocess.Popen(
            ["bash", "-e", text],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def wait(self, told: str, since: int, seconds: float) -> None:
        """Until one of its lines from the `since`-th on has `told`."""
        deadline = time.monotonic() + seconds
        with self._changed:
            while not any(told in line for line in self.lines[since:]):
                left = deadline - time.monotonic()
                if left <= 0 or not self._reader.is_alive():
                    raise AssertionError(f"it never said '{told}':\n{''.join(self.lines[since:])}")
                self._changed.wait(min(left, 0.5))

    def end(self) -> None:
        """As closing its terminal does; what does not go is ended."""
        for number, seconds in ((signal.SIGTERM, 60), (signal.SIGKILL, 10)):
            if self._process.poll() is None:
                os.killpg(self._process.pid, number)
                try:
                    self._process.wait(seconds)
                except subprocess.TimeoutExpired:
                    continue
        self._reader.join(60)
        assert self._process.stdout is not None
        self._process.stdout.close()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            print(line, end="")  # noqa: T201  # for who reads why a test failed
            with self._changed:
                self.lines.append(line)
                self._changed.notify_all()


class Terminal:
    """Where a page is typed, in `folder`, with these variables."""

    def __init__(self, folder: Path, scratch: Path, environment: Mapping[str, str]) -> None:
        self._ports = {port: str(free_port()) for port in _PORTS}
        self._scratch, self._staying, self._count, self._mark = scratch, list[Staying](), 0, 0
        (scratch / ".curlrc").write_text("no-progress-meter\n")  # as it draws none on a person's terminal
        self._bash = subprocess.Popen(
            ["bash", "-e", "-o", "pipefail"],
            cwd=folder,
            env={**environment, "PINION_HTTP__PORT": self._ports["8000"], "CURL_HOME": str(scratch), "COLUMNS": "120"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def __enter__(self) -> "Terminal":
        return self

    def __exit__(self, *_: object) -> None:
        for one in self._staying:
            one.end()
        self._bash.kill()
        self._bash.wait()
        for pipe in (self._bash.stdin, self._bash.stdout):
            assert pipe is not None
            pipe.close()

    def type(self, page: Sequence[Block], seconds: float = 600.0) -> None:
        """Every block of these that is to be run; what one printed is compared where the page shows it."""
        printed = ""
        for block in page:
            if block.use in RUN:
                printed = self._run(block, seconds)
            elif block.use is Use.OUTPUT:
                shown = self._with_ports(block.text)
                assert as_shown(shown, printed), f"{block.where} shows\n{shown}\nand it was\n{printed}"

    def ask(self, command: str) -> str:
        """What a command prints there."""
        return self._typed(self._file(command, "bash"), command)

    def _run(self, block: Block, seconds: float) -> str:
        if block.use is Use.AFTER:
            self._staying[-1].wait(block.note, self._mark, seconds)
        self._mark = len(self._staying[-1].lines) if self._staying else 0
        file = self._file(block.text, block.language)
        if block.use is not Use.STAYS:
            return self._typed(file, block.where)
        beside = dict(line.split("=", 1) for line in self.ask("env -0").split("\0") if "=" in line)
        self._staying.append(Staying(file, Path(self.ask("pwd").strip()), beside))
        self._staying[-1].wait(block.note, 0, seconds)
        return ""

    def _file(self, text: str, language: str) -> Path:
        """The block as a file that bash reads."""
        self._count += 1
        file = self._scratch / f"{self._count}.{language}"
        file.write_text(self._with_ports(text))
        if language == "python":
            file = file.with_suffix(".bash")
            file.write_text(f"python {shlex.quote(str(file.with_suffix('.python')))}")
        return file

    def _typed(self, file: Path, where: str) -> str:
        """What it printed, once it is done; the shell ends where it fails."""
        stdin, stdout = self._pipes()
        stdin.write(f"source {shlex.quote(str(file))} </dev/null; echo; echo '{_DONE}'\n")
        stdin.flush()
        printed = ""
        for line in stdout:
            if line.strip() == _DONE:
                return printed.removesuffix("\n")
            printed += line
        raise AssertionError(f"{where} failed:\n{file.read_text()}\n{printed}")

    def _with_ports(self, text: str) -> str:
        return re.sub(rf"\b({'|'.join(_PORTS)})\b", lambda match: self._ports[match[0]], text)

    def _pipes(self) -> tuple[IO[str], IO[str]]:
        assert self._bash.stdin is not None
        assert self._bash.stdout is not None
        return self._bash.stdin, self._bash.stdout


def as_shown(shown: str, printed: str) -> bool:
    """Whether what was printed is what a page shows: … stands for anything, and spaces at ends of lines for nothing."""
    plain = [re.sub(r"[ \t]+$", "", text, flags=re.MULTILINE).strip("\n") for text in (shown, printed)]
    return re.fullmatch(".*".join(map(re.escape, plain[0].split("…"))), plain[1], re.DOTALL) is not None
