"""G-17: what is a pickle, by content and by name; and what only looks like one."""

import bz2
import gzip
import io
import lzma
import os
import pickle
import random
import tarfile
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
import torch

from serve.artifact.formats import is_pickled, pickles, safer
from serve.artifact.pickles import is_pickle


class Canary:
    """What runs when it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, ("touch /tmp/canary-of-pickles",)


def pickled(protocol: int = 4, value: Any = None) -> bytes:
    return pickle.dumps(value if value is not None else Canary(), protocol)


def zipped(**members: bytes) -> bytes:
    kept = io.BytesIO()
    with zipfile.ZipFile(kept, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return kept.getvalue()


def tarred(**members: bytes) -> bytes:
    kept = io.BytesIO()
    with tarfile.open(fileobj=kept, mode="w") as archive:
        for name, data in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return kept.getvalue()


def array(value: Any, save: Callable[..., None] = np.save) -> bytes:
    kept = io.BytesIO()
    save(kept, value)
    return kept.getvalue()


def torched(value: Any, **options: Any) -> bytes:
    kept = io.BytesIO()
    torch.save(value, kept, **options)
    return kept.getvalue()


def marked(archive: bytes, at: int, value: int) -> bytes:
    """A zip archive of one file with this byte of both its headers changed, which are counted from their signatures."""
    data, central = bytearray(archive), archive.index(b"PK\x01\x02")
    data[at] = data[central + at + 2] = value
    return bytes(data)


def dumped(folder: Path, **options: Any) -> bytes:
    path = folder / "dumped"
    joblib.dump({"a": np.arange(100)}, path, **options)
    return path.read_bytes()


FRAGMENT = b"cposix\nsystem\n(S'touch /tmp/canary-of-pickles'\ntR"  # called before anything is wrong
PICKLED: dict[str, bytes] = {
    **{f"protocol {at}": pickled(at) for at in range(pickle.HIGHEST_PROTOCOL + 1)},
    **{f"protocol {at} without its head": pickled(at)[2:] for at in (2, 3, 4, 5)},
    "instances by name": b"(S'touch x'\niposix\nsystem\n.",
    "a pickle that breaks off after its call": FRAGMENT + b"nonsense",
    "a pickle behind a popped mark": b"(0" + FRAGMENT + b".",
    "a pickle behind values of other kinds": b"I1\n0(lp0\n0" + FRAGMENT + b".",
    "a pickle behind a large string": b"X" + (2**24).to_bytes(4, "little") + b"a" * 2**24 + b"0" + FRAGMENT + b".",
    "an import alone": b"cos\nsystem\n.",
    "gzip": gzip.compress(pickled()),
    "zlib": zlib.compress(pickled()),
    "zlib, at best": zlib.compress(pickled(), 9),
    "bz2": bz2.compress(pickled()),
    "xz": lzma.compress(pickled()),
    "lzma": lzma.compress(pickled(), format=lzma.FORMAT_ALONE),
    "lzma, of a small dictionary": lzma.compress(
        pickled(), lzma.FORMAT_ALONE, filters=[{"id": lzma.FILTER_LZMA1, "dict_size": 4096}]
    ),
    "gzip in bz2": bz2.compress(gzip.compress(pickled())),
    "compressed more deeply than is looked": gzip.compress(gzip.compress(gzip.compress(gzip.compress(b"data")))),
    "lz4, which can't be looked into": b"\x04\x22\x4d\x18" + b"x" * 100,
    "a damaged archive": zipped(a=b"data" * 100)[:-30],
    "a damaged stream": gzip.compress(b"data" * 1000)[:20],
    "an encrypted zip archive": marked(zipped(a=b"data"), 6, 1),
    "a zip archive of a compression that is not known here": marked(zipped(a=b"data"), 8, 97),
    "a zip archive": zipped(a=b"data", b=pickled(0)),
    "a name in a zip archive": zipped(**{"archive/data.pkl": b"data"}),
    "a zip archive in another": zipped(a=zipped(b=pickled())),
    "a tar archive": tarred(a=b"data", b=pickled()),
    "an array of objects": array(np.array([Canary()], dtype=object)),
    "a record with an object": array(np.array([(1, Canary())], dtype=[("a", "<i4"), ("b", "O")])),
    "arrays, of which one is of objects": array(np.array([Canary()], dtype=object), np.savez),
    "an array whose head says nothing": b"\x93NUMPY\x01\x00\x10\x00{'descr': nonsen",
    "an array whose head is empty": b"\x93NUMPY\x01\x00\x02\x00{}",
    "an array whose head is a list": b"\x93NUMPY\x01\x00\x02\x00[]",
    "an array of a dtype that is none": b"\x93NUMPY\x01\x00\x0f\x00{'descr': None}",
    "torch, a tensor": torched(torch.ones(3)),
    "torch, as it was": torched(torch.ones(3), _use_new_zipfile_serialization=False),
}
EXPORTED = {"model/archive_format": b"pt2", "model/models/model.json": b"{}"}
SAMPLE = "model/data/sample_inputs/model.pt"
PICKLED |= {
    "what torch exports, with other sample inputs": zipped(**EXPORTED, **{SAMPLE: torched([Canary()])}),
    "what torch exports, with sample inputs that are a plain pickle": zipped(**EXPORTED, **{SAMPLE: pickled()}),
    "what torch exports, with a weight that is a pickle": zipped(
        **EXPORTED, **{"model/data/weights/weight_0": torched({"a": Canary()})}
    ),
    "what torch exports, with a name of protocol 4": zipped(
        **EXPORTED, **{SAMPLE: zipped(**{"archive/data.pkl": pickled(4)})}
    ),
    "what torch exports, with a pickle beside its tensors": zipped(
        **EXPORTED, **{SAMPLE: zipped(**{"archive/data.pkl": pickled(2, [1]), "archive/more": pickled(2)})}
    ),
}
ROWS = b"x,y\n" + b"1.5,2\n" * 1000
PLAIN: dict[str, bytes] = {
    "what torch exports, with tensors for sample inputs": zipped(
        **EXPORTED, **{SAMPLE: torched({"a": (torch.ones(3), torch.nn.Parameter(torch.ones(2)))})}
    ),
    "nothing": b"",
    "JSON": b'{"a": [1, 2]}',
    "YAML": b"channels:\n- conda-forge\ndependencies:\n- python=3.11\n",
    "Python": b"import os\n\nclass A:\n    pass\n",
    "Python that begins with a C": b"c = 1\nd = 2\n",
    "CSV": ROWS,
    "a text": b"Value of the model.\nNone (at all).\n",
    "an array": array(np.arange(1000.0)),
    "a record": array(np.array([(1, 2.0)], dtype=[("O", "<i4"), ("b", "<f8")])),
    "arrays": array(np.arange(10), np.savez),
    "compressed arrays": array(np.arange(1000), np.savez_compressed),
    "a zip archive": zipped(schema=b"{}", data=ROWS),
    "a tar archive": tarred(schema=b"{}", data=ROWS),
    "compressed rows": gzip.compress(ROWS),
    "safetensors whose head is as long as a protocol": (0x0280).to_bytes(8, "little") + b'{"a":{}}' + b" " * 640,
    "a protocol that is none": b"\x80\xff\x95",
    "a protocol and no more": b"\x80\x04",
    "a pickle of plain values, which runs nothing": pickled(0, {"a": [1, 2.5, None]}),
    "onnx": b"\x08\x08\x12\x07pytorch:\x8a\x01\n\x1b\n\x01x",
    "HDF5": b"\x89HDF\r\n\x1a\n" + b"\0" * 500,
    "zeros": b"\0" * 5000,
}


@pytest.mark.parametrize("case", PICKLED)
def test_a_pickle_is_one_whatever_its_name(tmp_path: Path, case: str) -> None:
    path = tmp_path / "weights"
    path.write_bytes(PICKLED[case])
    assert is_pickled(path)


@pytest.mark.parametrize("case", PLAIN)
def test_what_is_no_pickle_is_none(tmp_path: Path, case: str) -> None:
    path = tmp_path / "weights"
    path.write_bytes(PLAIN[case])
    assert not is_pickled(path)


@pytest.mark.parametrize("compress", [0, 3, ("zlib", 9), ("gzip", 3), ("bz2", 3), ("lzma", 3), ("xz", 3)])
def test_what_joblib_dumps_is_a_pickle(tmp_path: Path, compress: Any) -> None:
    path = tmp_path / "weights"
    path.write_bytes(dumped(tmp_path, compress=compress))
    assert is_pickled(path)


@pytest.mark.parametrize(
    "name", ["a.pkl", "a.PICKLE", "a.joblib", "a.pt", "a.pth", "a.ckpt", "pytorch_model-00001-of-2.bin", "a.dill"]
)
def test_what_is_named_as_a_pickle_counts_as_one(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"{}")
    assert is_pickled(tmp_path / name)


@pytest.mark.parametrize("name", ["model.bin", "model.txt", "model.ubj", "model.onnx", "model.pt2", "a.safetensors"])
def test_other_names_count_for_nothing(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"{}")
    assert not is_pickled(tmp_path / name)


@pytest.mark.filterwarnings("ignore:invalid escape sequence:DeprecationWarning")  # what stands for a text is read
def test_numbers_are_seldom_taken_for_a_pickle() -> None:
    """Of 20 000 files of random bytes, and of floats, at most a few."""
    chance = random.Random(1)
    floats = np.random.default_rng(1).normal(size=(20_000, 50)).astype("<f4")
    taken = [is_pickle(io.BytesIO(chance.randbytes(300))) for _ in range(20_000)]
    assert sum(taken) + sum(is_pickle(io.BytesIO(row.tobytes())) for row in floats) <= 4


def test_the_files_of_a_folder_are_told_by_path(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "MLmodel").write_text("flavors: {}\n")
    (tmp_path / "data" / "b").write_bytes(pickled())
    (tmp_path / "a.pkl").write_bytes(b"")
    assert pickles(tmp_path) == ("a.pkl", "data/b")


@pytest.mark.parametrize(
    ("flavors", "told"),
    [
        ({"sklearn": {}, "python_function": {}}, "sklearn: serialization_format='skops'"),
        ({"pytorch": {}, "python_function": {}}, "pytorch: serialization_format='pt2' with an input example"),
        ({"python_function": {}}, "pyfunc: models from code: python_model='<file>.py', with set_model in it"),
        ([], "pyfunc: models from code: python_model='<file>.py', with set_model in it"),
    ],
)
def test_the_safer_way_to_log_is_named_for_each_flavor(flavors: Any, told: str) -> None:
    assert safer({"flavors": flavors}) == told


def test_looking_runs_nothing(tmp_path: Path) -> None:
    canary = Path("/tmp/canary-of-pickles")
    for data in PICKLED.values():
        (tmp_path / "x").write_bytes(data)
        is_pickled(tmp_path / "x")
    assert not canary.exists()


def test_of_what_is_packed_no_more_is_unpacked_than_is_looked_at(tmp_path: Path) -> None:
    path = tmp_path / "bomb"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("model/archive_format", bytes(2**27))
    tracemalloc.start()
    try:
        assert not is_pickled(path)
        assert tracemalloc.get_traced_memory()[1] < 2**23
    finally:
        tracemalloc.stop()
