"""What a model's files are: which of them pickles, or made of pickles, so that loading them runs what they name.

Told by content (pickles of every protocol, also compressed, and in zip and tar archives, as torch and numpy write them)
and by name, whatever the content. What can't be looked into counts as a pickle. This is about formats and no sandbox:
code that is plain Python runs as well, and is not asked for here.
"""

import ast
import bz2
import gzip
import io
import lzma
import re
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any, cast

import numpy as np

from serve.artifact.pickles import holds_tensors_alone, is_pickle

_NAMED = frozenset({".pkl", ".pickle", ".joblib", ".dill", ".cloudpickle", ".pt", ".pth", ".ckpt"})
_TORCH_BIN = re.compile(r"(pytorch_model|adapter_model|optimizer|scheduler|training_args).*\.bin")
_MOST_MEMBERS = 10_000
_MOST_BYTES = 2**20  # of what a stream is looked at
_DEPTH = 3  # of archives and compressions in each other
_DAMAGED = (
    OSError,
    EOFError,
    ValueError,
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
    SyntaxError,
    RuntimeError,  # a zip archive is encrypted, or of a compression that is not known here
    KeyError,  # the head of an array is Python, and not numpy's
    TypeError,
)
_DICTIONARIES = (0x00, 0x10, 0x18, 0x20, 0x30, 0x40, 0x60, 0x80, 0xC0)  # sizes of LZMA's, of which this is a byte
_UNREADABLE = (b"\x04\x22\x4d\x18", b"\x28\xb5\x2f\xfd", b"ZF0x")  # lz4, zstd, and what joblib once wrote

_SAFER = {
    "sklearn": "serialization_format='skops'",
    "pytorch": "serialization_format='pt2' with an input example",
    "lightgbm": "a Booster, which is logged as text",
    "xgboost": "model_format='ubj' or 'json'",
    "transformers": "safetensors",
    "python_function": "models from code: python_model='<file>.py', with set_model in it",
}


def pickles(model: Path) -> tuple[str, ...]:
    """The files of an MLflow model folder that are pickles, or made of them, by path; sorted."""
    files = sorted(path for path in model.rglob("*") if path.is_file())
    return tuple(path.relative_to(model).as_posix() for path in files if is_pickled(path))


def is_pickled(path: Path) -> bool:
    """Whether loading this file means unpickling, as far as its name and its content tell."""
    if path.suffix.lower() in _NAMED or _TORCH_BIN.fullmatch(path.name.lower()):
        return True
    with path.open("rb") as file:
        return _holds_pickle(file, _DEPTH)


def safer(mlmodel: Mapping[str, Any]) -> str:
    """How to log a model of these flavors without pickles."""
    flavors = mlmodel.get("flavors")
    known = flavors if isinstance(flavors, dict) else {}
    found = [f"{name}: {told}" for name, told in _SAFER.items() if name in known and name != "python_function"]
    return "; ".join(found) or f"pyfunc: {_SAFER['python_function']}"


def _holds_pickle(file: IO[bytes], depth: int) -> bool:
    """The same of content, from the beginning of a file that can be read anew."""
    head = file.read(512)
    file.seek(0)
    if depth == 0 or head.startswith(_UNREADABLE):
        return True
    try:
        for begins, look in _LOOKS.items():
            if head.startswith(begins):
                return look(file, depth)
        if head[257:262] == b"ustar":
            return _any(_of_tar(file), depth)
        return is_pickle(file)
    except _DAMAGED:
        return True


def _any(members: Iterator[tuple[str, IO[bytes]]], depth: int) -> bool:
    for count, (name, member) in enumerate(members):
        named = Path(name).suffix.lower() in _NAMED
        if count >= _MOST_MEMBERS or named or _holds_pickle(member, depth - 1):
            return True
    return False


def _zip(file: IO[bytes], depth: int) -> bool:
    with zipfile.ZipFile(file) as archive:
        if any(name.endswith("/archive_format") and _says_pt2(archive, name) for name in archive.namelist()):
            return any(_of_exported(archive, name, depth) for name in archive.namelist())
    return _any(_of_zip(file), depth)


def _says_pt2(archive: zipfile.ZipFile, name: str) -> bool:
    with archive.open(name) as member:
        return member.read(4) == b"pt2"


def _of_exported(archive: zipfile.ZipFile, name: str, depth: int) -> bool:
    """Whether a member of what torch.export saved is a pickle, of anything but tensors, as its sample inputs are."""
    with archive.open(name) as member:
        if member.read(2) == b"PK":
            member.seek(0)
            return not _tensors_alone(member)
        member.seek(0)
        return _holds_pickle(member, depth - 1)


def _tensors_alone(file: IO[bytes]) -> bool:
    with zipfile.ZipFile(file) as archive:
        for name in archive.namelist():
            with archive.open(name) as member:
                if name.endswith(".pkl"):
                    if not holds_tensors_alone(member.read(_MOST_BYTES)):
                        return False
                elif _holds_pickle(member, 1):
                    return False
    return True


def _of_zip(file: IO[bytes]) -> Iterator[tuple[str, IO[bytes]]]:
    with zipfile.ZipFile(file) as archive:
        for name in archive.namelist():
            with archive.open(name) as member:
                yield name, member


def _of_tar(file: IO[bytes]) -> Iterator[tuple[str, IO[bytes]]]:
    with tarfile.open(fileobj=file, mode="r:") as archive:
        for one in archive:
            member = archive.extractfile(one) if one.isfile() else None
            if member is not None:
                yield one.name, member


def _array_of_objects(file: IO[bytes], _depth: int) -> bool:
    """Whether a .npy file is of Python's objects, which numpy pickles."""
    file.read(6)
    major = file.read(2)[:1]
    size = int.from_bytes(file.read(2 if major == b"\x01" else 4), "little")
    if size > 2**16:
        return True
    header = ast.literal_eval(file.read(size).decode("utf-8" if major == b"\x03" else "latin1"))
    return bool(np.lib.format.descr_to_dtype(header["descr"]).hasobject)


def _of_gzip(file: IO[bytes], depth: int) -> bool:
    with gzip.open(file) as content:
        return _holds_pickle(cast(IO[bytes], content), depth - 1)


def _of_bz2(file: IO[bytes], depth: int) -> bool:
    with bz2.BZ2File(file) as content:
        return _holds_pickle(content, depth - 1)


def _of_lzma(file: IO[bytes], depth: int) -> bool:
    with lzma.LZMAFile(file) as content:
        return _holds_pickle(content, depth - 1)


def _of_zlib(file: IO[bytes], depth: int) -> bool:
    content = zlib.decompressobj().decompress(file.read(_MOST_BYTES), _MOST_BYTES)
    return _holds_pickle(io.BytesIO(content), depth - 1)


_LOOKS: Mapping[bytes, Callable[[IO[bytes], int], bool]] = {
    b"PK\x03\x04": _zip,
    b"PK\x05\x06": _zip,
    b"\x93NUMPY": _array_of_objects,
    b"\x1f\x8b": _of_gzip,
    b"BZh": _of_bz2,
    b"\xfd7zXZ\x00": _of_lzma,
    **{bytes((0x5D, 0x00, size)): _of_lzma for size in _DICTIONARIES},
    **{bytes((0x78, flags)): _of_zlib for flags in (0x01, 0x5E, 0x9C, 0xDA)},
}
