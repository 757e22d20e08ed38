"""Packages for tests, made here: wheels, and a source distribution whose build leaves a trace."""

import base64
import hashlib
import io
import tarfile
import zipfile
from pathlib import Path


def wheel(
    folder: Path, name: str, content: str = "VALUE = 1\n", needs: str = "", version: str = "1.0", starts: str = ""
) -> Path:
    """A wheel of one module, which is `content`, and what runs as an interpreter `starts`; the same bytes each time."""
    info = f"{name}-{version}.dist-info"
    needed = f"Requires-Dist: {needs}\n" if needs else ""
    files = {
        f"{name}.py": content.encode(),
        **({f"{name}.pth": f"{starts}\n".encode()} if starts else {}),
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needed}".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{path},sha256={_digest(data)},{len(data)}\n" for path, data in files.items())
    files[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n".encode()
    path = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for place, data in files.items():
            archive.writestr(zipfile.ZipInfo(place), data)
    return path


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def source(folder: Path, name: str, canary: Path, version: str = "1.0") -> Path:
    """A source distribution that builds by itself, with no other package, and makes `canary` as it does."""
    made = folder / "made"
    made.mkdir()
    data = wheel(made, name, version=version).read_bytes()
    backend = f"""
import pathlib
def build_wheel(folder, *_, **__):
    pathlib.Path({str(canary)!r}).touch()
    pathlib.Path(folder, "{name}-{version}-py3-none-any.whl").write_bytes(bytes.fromhex("{data.hex()}"))
    return "{name}-{version}-py3-none-any.whl"
"""
    files = {
        "PKG-INFO": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        "pyproject.toml": '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n',
        "backend.py": backend,
        "setup.py": f"import pathlib; pathlib.Path({str(canary)!r}).touch()\n",
    }
    path = folder / f"{name}-{version}.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for place, text in files.items():
            entry = tarfile.TarInfo(f"{name}-{version}/{place}")
            entry.size = len(text.encode())
            archive.addfile(entry, io.BytesIO(text.encode()))
    return path


def _digest(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
