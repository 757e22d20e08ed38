"""The machine: programs, ports, files that settings name, state folder, resources, and what its kernel can do."""

import contextlib
import importlib.metadata
import os
import platform
import resource
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
from uv import find_uv_bin

from serve import admission, groups
from serve import app as composition
from serve.access import expiry
from serve.access.certificates import Certificates
from serve.access.documents import is_loopback
from serve.commands.checks.check import Check, bad, good, note
from serve.errors import AccessUnreadable, SandboxFailed
from serve.front.crowd import places
from serve.scratch import writable
from serve.settings import Settings
from serve.worker import confinement
from serve.worker.confinement import SandboxPolicy

_LITTLE_SPACE = 2**30
_LITTLE_MEMORY = 2**30
_SOON_SECONDS = 14 * 86400  # as in the alert
_EARLIEST = 1_767_225_600  # the start of 2026: a clock before it is wrong, and certificates are judged by it


def programs() -> Iterator[Check]:
    """Python, git, DVC and uv, by their versions."""
    yield good("python", f"{platform.python_version()} at {sys.executable}")
    yield _answers("git", ["git", "--version"], "install git: on Debian and Ubuntu, apt install git")
    try:
        yield good("dvc", importlib.metadata.version("dvc"))
    except importlib.metadata.PackageNotFoundError:
        yield bad("dvc", "is not installed beside the server", "install pinion-serve anew, which brings it")
    try:
        yield _answers("uv", [find_uv_bin(), "--version"], "install pinion-serve anew, which brings it")
    except FileNotFoundError:
        yield bad("uv", "is not installed beside the server", "install pinion-serve anew, which brings it")


def _answers(name: str, command: list[str], mend: str) -> Check:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return bad(name, f"does not run ({error})", mend)
    words = done.stdout.split()
    found = next((word for word in words if word[:1].isdigit()), "")
    return good(name, found) if done.returncode == 0 else bad(name, f"ends with code {done.returncode}", mend)


def ports(settings: Settings) -> Iterator[Check]:
    """Whether each port can be listened on; and who could reach it."""
    http = settings.http
    named = {"port": (http.host, http.port), "gRPC port": (http.host, http.grpc_port)}
    named["control port"] = (http.control_host, http.control_port)
    for name, (host, port) in named.items():
        if port is not None:
            yield _port(name, host, port)


def _port(name: str, host: str, port: int) -> Check:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as tried:
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            tried.bind((host, port))
    except OSError as error:
        setting = {"port": "PORT", "gRPC port": "GRPC_PORT", "control port": "CONTROL_PORT"}[name]
        told = f"{host}:{port} can't be listened on: {error.strerror}"
        return bad(name, told, f"is a server running there (serve status)? Else set PINION_HTTP__{setting} to another")
    return good(name, f"{host}:{port} is free")


def files(settings: Settings) -> Iterator[Check]:
    """Keys, certificates and signers that the settings name, and whether anybody may ask who can connect."""
    trust = composition.make_trust(settings)
    named = [*trust.keys, *trust.certificates, trust.allowed_signers, trust.revoked_signers]
    wanted = [path for path in named if path is not None]
    unreadable = [str(path) for path in wanted if not os.access(path, os.R_OK)]
    if unreadable:
        yield bad("trust", f"can't read {', '.join(unreadable)}", "correct the path, or let the server's user read it")
    elif wanted:
        yield good("trust", f"{len(wanted)} files can be read")
    try:
        access = admission.make_access(settings)
    except AccessUnreadable as error:
        yield bad("access", error.message, "correct the file, or the setting that names it")
        return
    if access.certificates is not None:
        yield from _certificates(access.certificates)
    if access.open and not is_loopback(settings.http.host):
        mend = "set PINION_AUTH__KEYS (serve key new), or PINION_HTTP__TLS_CLIENT_CA"
        yield note("access", f"whoever reaches {settings.http.host} may ask", mend)
    else:
        yield good("access", "only this machine" if access.open else "by key, token or certificate")


def granted(settings: Settings) -> Iterator[Check]:
    """Whether what models may read and write beside their own is there: a process is granted nothing that is not."""
    worker = settings.worker
    lost = [str(path) for path in (*worker.readable, *worker.writable) if not os.path.exists(path)]
    if lost:
        mend = "make it before the server starts, or correct PINION_WORKER__READABLE and WRITABLE"
        yield note("granted", f"{', '.join(lost)} can't be found: models can't use it", mend)
    elif worker.readable or worker.writable:
        yield good("granted", f"{len(worker.readable)} paths to read, {len(worker.writable)} to write")


def recording(settings: Settings) -> Iterator[Check]:
    """Whether recordings can be written, where they are asked for."""
    place = settings.record.folder
    if place is None:
        return
    nearest = _nearest(place)
    if _writes(nearest):
        yield good("recording", str(place))
    else:
        mend = f"let the server's user write {nearest}, make room there, or set PINION_RECORD__FOLDER to another folder"
        yield note("recording", f"{place} can't be written: nothing is recorded", mend)


def _nearest(place: Path) -> Path:
    """The folder, or that above it which is there."""
    return next(one for one in (place, *place.absolute().parents) if os.path.exists(one))


def _certificates(used: Certificates) -> Iterator[Check]:
    """Whether each is still good, and for how long."""
    for what, end in expiry.ends(used.pem):
        left = end - time.time()
        told = f"{what} {'ended' if left < 0 else 'ends'} on {expiry.told(end)}"
        if left > _SOON_SECONDS:
            yield good("certificate", told)
        else:
            yield (bad if left < 0 else note)("certificate", told, "renew it, and replace the file, with its key")


def state(settings: Settings) -> Iterator[Check]:
    """The state folder: whether it can be written, and how much fits in."""
    place = settings.state
    nearest = _nearest(place)
    if not nearest.is_dir() or not (writable(place) and _writes(nearest)):
        mend = f"let the server's user write {nearest}, or set PINION_ARTIFACT__STATE to another folder"
        if place.is_dir() and any(place.glob("snapshots/*")):
            yield note("state", f"{place} is read-only: what is in it can be served, and nothing else", mend)
        else:
            yield bad("state", f"{place} can't be written", mend)
        return
    free = shutil.disk_usage(nearest).free
    told = f"{place}, {free / 2**30:.1f} GiB free"
    mend = "make room, or set PINION_ARTIFACT__STATE to a larger disk; fewer releases are kept with KEEP_RELEASES"
    if free < _LITTLE_SPACE // 16:
        yield bad("state", told, mend)
    else:
        yield note("state", told, mend) if free < _LITTLE_SPACE else good("state", told)


def _writes(folder: Path) -> bool:
    """Whether a file can be made there and filled, which permissions alone do not say: a disk may be full."""
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"\0" * 65536)
            file.flush()
    except OSError:
        return False
    return True


def resources(settings: Settings) -> Iterator[Check]:
    """Descriptors, memory, cores, clock."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = settings.http.max_connections
    most = places(wanted)
    if most < wanted:
        mend = f"raise the limit: ulimit -n {wanted + 512}, or LimitNOFILE= in systemd"
        yield note("descriptors", f"{soft} (at most {hard}): {most} connections at once, of {wanted}", mend)
    else:
        yield good("descriptors", f"{soft} for {wanted} connections")
    memory = psutil.virtual_memory()
    told = f"{memory.available / 2**30:.1f} of {memory.total / 2**30:.1f} GiB available"
    if memory.available < _LITTLE_MEMORY:
        yield note("memory", told, "a switch holds two releases in memory at once: make room, or use a larger machine")
    else:
        yield good("memory", told)
    yield good("cores", f"{groups.cores()} of {os.cpu_count()}; workers of each model: {settings.worker.count}")
    yield _clock()


def _clock() -> Check:
    now = time.time()
    if now < _EARLIEST:
        return bad(
            "clock", time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(now)), "set it: tokens and certificates end by it"
        )
    return good("clock", time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(now)))


async def sandbox(settings: Settings) -> Check:
    """What is in force in a process that is confined here as a model's would be; it is tried."""
    ours, theirs = socket.socketpair()
    with ours, theirs, tempfile.TemporaryDirectory() as place:
        command = (sys.executable, "-I", "-S", "-c", "pass")
        try:
            process, confined = await confinement.start(
                settings.confinement, command, [(place, "write")], theirs.fileno(), Path(place)
            )
            found = await confined
        except (SandboxFailed, OSError) as error:
            return bad("sandbox", str(error), "use Linux 5.13 or newer, or PINION_WORKER__SANDBOX=auto")
        with contextlib.suppress(ProcessLookupError):
            await process.wait()
    if settings.worker.sandbox is SandboxPolicy.OFF:
        return note("sandbox", "off: models may do what the server's user may", "unset PINION_WORKER__SANDBOX")
    told = f"Landlock {found.landlock or 'none'}, seccomp {'yes' if found.seccomp else 'no'}"
    told += f", namespaces {', '.join(found.namespaces) or 'none'}"
    if found.open:
        return note(
            "sandbox",
            f"{told}; {'; '.join(found.open)}",
            "a newer kernel, or a container that allows more: docs/hardening.md",
        )
    return good("sandbox", told)
