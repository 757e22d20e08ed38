"""Images built and run without a container engine's daemon: by buildah, and by the kernel's own means.

buildah works here without namespaces (`--isolation chroot`). The base that the Dockerfile asks for is made of Debian's
packages, and named as it is asked for. All of it takes some 10 GB while it runs.
"""

import json
import os
import shlex
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from tests.e2e.server import Server

ROOT = Path(__file__).parents[2]
BASE = "docker.io/library/python:3.11-slim-bookworm"
_DEVICES = ("null", "zero", "full", "random", "urandom")
_AS_USER = (
    "/usr/bin/setpriv --reuid=10001 --regid=10001 --clear-groups --no-new-privs --inh-caps=-all --bounding-set=-all"
)
_CA = Path("/etc/ssl/certs/ca-certificates.crt")
# What tells pip and uv of package sources here, and where those are folders, the folders.
_SETTINGS = ("PIP_INDEX_URL", "PIP_FIND_LINKS", "SSL_CERT_FILE", "UV_TORCH_BACKEND")
_MOUNTED = ("/etc/pip.conf", "/root/.config/pip", "/opt/wheels", "/opt/pypi", "/opt/pypi-more", str(_CA), "/etc/apt")


@dataclass(frozen=True)
class Buildah:
    """buildah with a store of its own in `root`, as it keeps what it builds."""

    root: Path

    def run(self, *arguments: str | Path, **options: object) -> str:
        # overlay, as engines use it: vfs would copy the whole image for every step.
        command = ["buildah", "--root", self.root / "store", "--runroot", self.root / "run"]
        command += ["--storage-driver", "overlay"]
        done = subprocess.run([*command, *arguments], capture_output=True, text=True, **options)  # type: ignore[call-overload]
        assert done.returncode == 0, (arguments, done.stderr[-4000:])
        return str(done.stdout.strip())

    def base(self) -> None:
        """The base image, where it is not here already."""
        if BASE in self.run("images", "--format", "{{.Name}}:{{.Tag}}").splitlines():
            return
        tree = self.root / "base"
        included = "python3,python3-pip,python3-venv,ca-certificates"
        subprocess.run(
            ["debootstrap", "--variant=minbase", f"--include={included}", "bookworm", tree, _mirror()],
            check=True,
            capture_output=True,
        )
        for one in (tree / "var/cache/apt/archives").glob("*.deb"):
            one.unlink()
        container = self.run("from", "scratch")
        self.run("copy", container, tree, "/")
        self.run("commit", "--rm", container, BASE)

    def build(self, context: Path, tag: str, *arguments: str) -> None:
        mounts = [f"--volume={one}:{one}:ro" for one in _MOUNTED if Path(one).exists()]
        told = [f"--build-arg={name}={os.environ[name]}" for name in _SETTINGS if name in os.environ]
        self.run(
            *("build", "--isolation", "chroot", "--network", "host", "--format", "docker", "--layers", "--pull-never"),
            *(*mounts, *told, *arguments, "--tag", tag, context),
        )

    def save(self, tag: str, file: Path) -> None:
        """As `docker save` does."""
        self.run("push", tag, f"docker-archive:{file}:{tag}")

    @contextmanager
    def mounted(self, tag: str) -> Iterator[Path]:
        """The image's files."""
        container = self.run("from", "--pull-never", tag)
        try:
            yield Path(self.run("mount", container))
        finally:
            self.run("rm", container)


def _mirror() -> str:
    """Where this machine has Debian's packages from, which no file here is to say."""
    for source in Path("/etc/apt").rglob("*.sources"):
        for line in source.read_text().splitlines():
            if line.startswith("URIs:") and line.split()[1].rstrip("/").endswith("/debian"):
                return line.split()[1]
    raise AssertionError("apt names no source of Debian's packages")


@dataclass(frozen=True)
class Container:
    """An image's files, and how commands run in them as in production.

    As uid 10001 with no capabilities and no network, in namespaces of their own, all read-only but for a fresh /tmp.
    `binds` are mounted: from where, to where, whether it may be written. Where `network`, this machine's is theirs.
    """

    root: Path
    environment: Mapping[str, str]
    binds: Sequence[tuple[Path, str, bool]] = ()
    network: bool = False

    def command(self, *arguments: str | Path) -> list[str]:
        root = shlex.quote(str(self.root))
        steps = [
            "set -e",
            ":" if self.network else "ip link set lo up",
            f"mount --bind {root} {root}",
            f"mount -o remount,bind,ro {root}",
            *(f"mount --bind {shlex.quote(str(at))} {root}{to}" for at, to, _ in self.binds),
            *(f"mount -o remount,bind,ro {root}{to}" for _, to, writable in self.binds if not writable),
            f"mount -t proc proc {root}/proc",
            f"mount -t sysfs -o ro sysfs {root}/sys",
            f"mount -t tmpfs -o mode=1777 tmpfs {root}/tmp",
            f"mount -t tmpfs -o mode=755 tmpfs {root}/dev",
            f"mkdir -m 1777 {root}/dev/shm",
            *(f"touch {root}/dev/{one}; mount --bind /dev/{one} {root}/dev/{one}" for one in _DEVICES),
            f"cd {root}",
            "pivot_root . mnt",  # not chroot, in which nobody may make a user namespace
            "umount -l /mnt",
            f'exec {_AS_USER} /usr/bin/env --chdir=/srv/pinion -i "$@"',
        ]
        spaces = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--ipc", "--uts"]
        told = [f"{name}={value}" for name, value in self.environment.items()]
        shell = ["sh", "-c", "\n".join(steps), "sh", *told, *map(str, arguments)]
        return [*spaces, *([] if self.network else ["--net"]), *shell]


class Contained(Server):
    """The image's own command, watched as any server is; asked from within its network."""

    def __init__(self, container: Container, *arguments: str) -> None:
        self._container, self._arguments = container, arguments
        super().__init__(Path("/srv/pinion"), Path("/srv/pinion/state"))

    def begin(self, command: Sequence[str | Path], environment: Mapping[str, str]) -> "subprocess.Popen[str]":
        ours = self._container.command("serve", *self._arguments)
        return subprocess.Popen(ours, stderr=subprocess.PIPE, text=True)

    def __exit__(self, *_: object) -> None:
        """It changed its user, and so would not end with its parent."""
        if self.process.poll() is None:
            for one in psutil.Process(self.process.pid).children():
                one.kill()
        super().__exit__()

    @property
    def pid(self) -> int:
        """Of the server, which is its container's first process."""
        return psutil.Process(self.process.pid).children()[0].pid

    def inside(self, *command: str) -> "subprocess.CompletedProcess[str]":
        """Run a command beside the server, as its user, as an engine's `exec` and health checks do."""
        entered = ["nsenter", "-t", str(self.pid), "-m", "-n", "-p", "-r", "-w", "-S", "10001", "-G", "10001"]
        told = [f"{name}={value}" for name, value in self._container.environment.items()]
        return subprocess.run([*entered, "/usr/bin/env", *told, *command], capture_output=True, text=True, timeout=60)

    def ask(self, path: str, body: str = "") -> dict[str, Any]:
        """What the server answers within its network, where nothing but it is."""
        script = (
            "import sys, urllib.request as r; path, body = sys.argv[1:];"
            "told = {'Content-Type': 'application/json'};"
            "asked = r.Request('http://127.0.0.1:8000' + path, body.encode() or None, told);"
            "print(r.urlopen(asked, timeout=30).read().decode())"
        )
        done = self.inside("python", "-I", "-c", script, path, body)
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def stop(self) -> int:
        os.kill(self.pid, signal.SIGTERM)
        return self.process.wait(60)
