"""A model's recorded recipe → an interpreter that has exactly those packages, cached by digest.

`auto` uses the server's own environment where it satisfies the recipe to the letter; otherwise, and under
`isolated` always, uv builds one at `<state>/environments/<digest>`. It is complete or absent: the marker is
written last, and a folder without it is built anew. Models with the same digest share one. A file lock keeps
two builders apart and is let go by the kernel when a builder dies.
"""

import asyncio
import errno
import hashlib
import importlib.metadata
import os
import platform
import re
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

import structlog
from filelock import AsyncFileLock
from packaging.markers import UndefinedComparison
from packaging.requirements import Requirement
from uv import find_uv_bin

from serve import program
from serve.artifact import reasons
from serve.artifact.lease import Leases
from serve.artifact.snapshot import Recipe
from serve.errors import EnvironmentFailed, MachineFailed
from serve.scratch import writable
from serve.worker.policy import EnvironmentPolicy

log = structlog.get_logger()

OLDEST, NEWEST = (3, 9), (3, 13)
WHEELS_ONLY = ("--only-binary", ":all:")
_COMPLETE = ".complete"
_NOT_FOR_UV = ("VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME", "UV_COMPILE_BYTECODE")  # for the last, see `_compile`


async def interpreter(
    recipe: Recipe,
    state: Path,
    policy: EnvironmentPolicy,
    timeout_seconds: float,
    leases: Leases,
    from_source: bool = False,
    told: Callable[[str], object] = str,
) -> Path:
    """The Python executable of the recipe's environment, built where it is not there yet, and kept by `leases`.

    Of wheels alone, so that nothing runs as they are installed, unless `from_source`. Raises `EnvironmentFailed` where
    that Python can't be had or a package can't be installed. `told` hears what uv says it does.
    """
    if await asyncio.to_thread(is_servers_own, recipe, policy):  # it reads a file of each package
        return Path(sys.executable)
    require_supported(recipe)
    folder = place(recipe, state)
    python = folder / "bin" / "python"
    if leases.take(folder) and (folder / _COMPLETE).is_file():
        return python
    if not writable(state):
        raise EnvironmentFailed(f"the model's environment is not in the state folder {state}, which is read-only")
    folder.parent.mkdir(parents=True, exist_ok=True)
    async with AsyncFileLock(f"{folder}.lock", run_in_executor=False, poll_interval=0.2):
        if not (folder / _COMPLETE).is_file():
            await _build(recipe, folder, python, timeout_seconds, from_source, told)
        leases.take(folder)  # before another may have the lock, and so may remove it
    return python


def place(recipe: Recipe, state: Path) -> Path:
    """The folder of the recipe's environment, where it has one of its own."""
    return state / "environments" / digest(recipe)


def complete(recipe: Recipe, state: Path) -> bool:
    """Whether the recipe's own environment is there."""
    return (place(recipe, state) / _COMPLETE).is_file()


def digest(recipe: Recipe) -> str:
    """Names an environment: Python's minor version, this platform, every requirement and its hashes, hashed (hex)."""
    text = "\n".join((recipe.python_minor, platform.machine(), sys.platform, *recipe.requirements, *recipe.hashes))
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def is_servers_own(recipe: Recipe, policy: EnvironmentPolicy) -> bool:
    """Whether a model of this recipe runs in the server's own environment."""
    return policy is EnvironmentPolicy.AUTO and not recipe.hashes and satisfied_here(recipe)


def satisfied_here(recipe: Recipe) -> bool:
    """Whether the server's own interpreter is of that Python and has each package at exactly that version."""
    if recipe.python_minor != f"{sys.version_info.major}.{sys.version_info.minor}":
        return False
    for line in recipe.requirements:
        requirement = Requirement(line)
        try:
            if requirement.marker is not None and not requirement.marker.evaluate():
                continue
            version = importlib.metadata.version(requirement.name)
        except (importlib.metadata.PackageNotFoundError, UndefinedComparison):
            return False
        if not requirement.specifier.contains(version, prereleases=True):
            return False
    return True


def require_supported(recipe: Recipe) -> None:
    """`EnvironmentFailed` where the recipe is of a Python that no model may run under here."""
    minor = tuple(int(part) for part in recipe.python_minor.split(".") if part.isdecimal())
    if not OLDEST <= minor <= NEWEST:
        raise EnvironmentFailed(
            f"the model was recorded under Python {recipe.python}; Pinion runs models of Python "
            f"{OLDEST[0]}.{OLDEST[1]} to {NEWEST[0]}.{NEWEST[1]}"
        )


async def _build(
    recipe: Recipe,
    folder: Path,
    python: Path,
    timeout_seconds: float,
    from_source: bool,
    told: Callable[[str], object],
) -> None:
    log.info("building environment", python=recipe.python_minor, packages=len(recipe.requirements))
    await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
    found = await find_python(recipe, timeout_seconds)
    await uv(("venv", "--quiet", "--no-project", "--python", found, str(folder)), timeout_seconds)
    listed = folder / "environment.txt"
    listed.write_text("\n".join(recipe.hashes or recipe.requirements) + "\n", encoding="utf-8")
    # Not --no-deps: a torch for GPUs brings its CUDA libraries, which it pins itself and a CPU machine has not.
    install = ["pip", "install", "--python", str(python), "--requirement", str(listed)]
    install += ["--require-hashes"] if recipe.hashes else []
    install += [] if from_source else WHEELS_ONLY
    await uv(install, timeout_seconds, told)
    await _compile(folder, python, timeout_seconds)
    (folder / _COMPLETE).touch()


async def _compile(folder: Path, python: Path, timeout_seconds: float) -> None:
    """Bytecode of all that was installed; what can't be compiled is left as it is.

    Not by uv, whose interpreter runs what packages have in `.pth` files as it starts: nobody has confined that one.
    """
    command = (str(python), "-I", "-S", "-m", "compileall", "-q", "-j", "0", str(folder / "lib"))
    async with program.started(command) as process:
        try:
            await asyncio.wait_for(process.communicate(), timeout_seconds)
        except TimeoutError:
            raise EnvironmentFailed(f"compiling its packages took longer than {timeout_seconds:g} seconds") from None


async def find_python(recipe: Recipe, timeout_seconds: float) -> str:
    """Path of an interpreter of the recipe's minor version; fetched by uv where the machine has none and may."""
    try:
        return await uv(
            ("python", "find", "--system", "--no-project", "--no-python-downloads", recipe.python_minor), 60
        )
    except EnvironmentFailed:
        log.info("fetching python", version=recipe.python_minor)
    try:
        await uv(("python", "install", "--no-bin", recipe.python_minor), timeout_seconds)
        return await uv(("python", "find", "--no-project", "--managed-python", recipe.python_minor), 60)
    except EnvironmentFailed as error:
        raise EnvironmentFailed(
            f"the model needs Python {recipe.python_minor}, which is not on this machine and could not be "
            f"fetched: install it (for example with uv python install {recipe.python_minor})"
        ) from error


def uv_environment(outer: Mapping[str, str]) -> dict[str, str]:
    """The environment for uv: the operator's, with pip's package sources passed on where uv has none.

    With no source named at all, uv chooses torch builds by the machine: CPU ones where there is no GPU.
    """
    mine = {key: value for key, value in outer.items() if key not in _NOT_FOR_UV}
    mine["PATH"] = search_path(outer)
    if "PIP_FIND_LINKS" in mine:
        mine.setdefault("UV_FIND_LINKS", ",".join(mine["PIP_FIND_LINKS"].split()))  # pip's separator is a space
    if "PIP_INDEX_URL" in mine and "UV_INDEX_URL" not in mine:  # uv's older name for the same
        mine.setdefault("UV_DEFAULT_INDEX", mine["PIP_INDEX_URL"])
    if "PIP_EXTRA_INDEX_URL" in mine and "UV_INDEX" not in mine:
        mine.setdefault("UV_EXTRA_INDEX_URL", mine["PIP_EXTRA_INDEX_URL"])
    sources = ("UV_FIND_LINKS", "UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_INDEX", "UV_EXTRA_INDEX_URL")
    if not any(mine.get(source) for source in sources):
        mine.setdefault("UV_TORCH_BACKEND", "auto")
    return mine


def search_path(outer: Mapping[str, str]) -> str:
    """PATH with pyenv's own interpreters in place of its shims, which answer for the selected version alone."""
    root = Path(outer.get("PYENV_ROOT") or Path(outer.get("HOME", "/"), ".pyenv"))
    entries = filter(None, outer.get("PATH", "").split(os.pathsep))  # an empty one would mean the current folder
    given = [entry for entry in entries if Path(entry) != root / "shims"]
    return os.pathsep.join([*given, *sorted(map(str, root.glob("versions/*/bin")))])


async def uv(arguments: Sequence[str], timeout_seconds: float, told: Callable[[str], object] = str) -> str:
    """Run uv → its stdout; its reason in one line as `EnvironmentFailed`, a full disk as `MachineFailed`.

    `told` hears what it says meanwhile.
    """
    # Where we were started, there may be a uv.toml that is not the operator's.
    command = (find_uv_bin(), "--no-config", *arguments)
    async with program.started(command, uv_environment(os.environ)) as process:
        try:
            async with asyncio.timeout(timeout_seconds):
                out, err = await _heard(process, told)
        except TimeoutError:
            raise EnvironmentFailed(
                f"uv {' '.join(arguments[:2])} took longer than {timeout_seconds:g} seconds and was stopped"
            ) from None
    if process.returncode != 0:
        what, said = f"uv {' '.join(arguments[:2])}", err.decode(errors="replace")
        if reasons.disk_is_full(said):
            raise MachineFailed(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), what))
        raise EnvironmentFailed(f"{what} failed: {reason(said)}")
    return out.decode(errors="replace").strip()


async def _heard(process: asyncio.subprocess.Process, told: Callable[[str], object]) -> tuple[bytes, bytes]:
    """Stdout and stderr of a process at its end, of which each line that comes is told."""
    assert process.stdout is not None
    assert process.stderr is not None
    out, err = asyncio.ensure_future(process.stdout.read()), b""
    try:
        while chunk := await process.stderr.read(4096):
            err += chunk
            told(chunk.decode(errors="replace").strip().rpartition("\n")[2])
        await process.wait()
        return await out, err
    finally:
        out.cancel()


def reason(stderr: str) -> str:
    """What uv said went wrong, in one line: no drawing characters or colours, and of an address its last part alone,
    which names the package."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", stderr)
    begins = next((text.find(mark) for mark in ("×", "error:") if mark in text), 0)
    told = text[begins:]
    told = re.sub(r"https?://[^\s)`]+", lambda address: _last_part(address[0]), told.split("hint:")[0])
    told = re.sub(r"[×╰─▶│]", " ", told)
    return re.sub(r"\s+", " ", told).strip()[:600] or "it gave no reason"


def _last_part(address: str) -> str:
    return PurePosixPath(urlsplit(address.rstrip(":,.)`'\"")).path).name
