"""A command on a terminal of its own, as a person sees it: what it drew, without colours, and the keys to stop it."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
import threading
import time
from collections.abc import Sequence
from pathlib import Path

_CODES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b\][^\x07]*\x07")


class Terminal:
    """The command as it runs; a context manager that never leaves it running."""

    def __init__(self, command: Sequence[str | Path], columns: int = 100, **variables: str) -> None:
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
        outer = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "NO_COLOR", "CI")}
        self.process = subprocess.Popen(
            command,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env={**outer, "TERM": "xterm-256color", **variables},
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(theirs)
        self._raw, self._changed = "", threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> "Terminal":
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._reader.join()
        os.close(self._ours)

    @property
    def text(self) -> str:
        """All that was drawn so far, each frame of it, without colours and movements."""
        return _CODES.sub("", self._raw).replace("\r\n", "\n").replace("\r", "\n")

    @property
    def raw(self) -> str:
        return self._raw

    def wait(self, told: str, seconds: float = 120.0, times: int = 1) -> str:
        """All that was drawn, as soon as `told` is in it, so many times."""
        deadline = time.monotonic() + seconds
        with self._changed:
            while self.text.count(told) < times:
                left = deadline - time.monotonic()
                if left <= 0 or (self.process.poll() is not None and not self._reader.is_alive()):
                    raise AssertionError(f"no {told!r} in:\n{self.text}")
                self._changed.wait(min(left, 0.5))
        return self.text

    def press(self, key: bytes) -> None:
        """What a key sends; b'\\x03' is Ctrl-C."""
        os.write(self._ours, key)

    def end(self, seconds: float = 60.0) -> tuple[int, str]:
        """The exit code, and all that was drawn."""
        code = self.process.wait(seconds)
        self._reader.join()
        return code, self.text

    def _read(self) -> None:
        while True:
            try:
                data = os.read(self._ours, 65536)
            except OSError:  # nobody writes any more
                data = b""
            with self._changed:
                self._raw += data.decode(errors="replace")
                self._changed.notify_all()
            if not data:
                return
