"""The two datasets, split and digested.

Comes in: a dataset's name. Goes out: a `Dataset` whose three splits are stratified and always the same:
the split does not follow the training's seed, so validation metrics of any two runs compare. Data come
from scikit-learn's own files; nothing is fetched. Scaling is not done here: each network owns its own.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_breast_cancer, load_digits  # type: ignore[import-untyped]
from sklearn.model_selection import train_test_split  # type: ignore[import-untyped]

from train.settings import DatasetName

SPLIT_SEED = 0  # one split for every run: changing it makes older runs' metrics incomparable
DIGEST_LENGTH = 32  # MLflow keeps at most 36 characters of a dataset's digest

Inputs = NDArray[np.float32] | NDArray[np.float64]
Labels = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """Rows of one split. `inputs` is [rows, …]; `labels` holds an index into the dataset's classes."""

    inputs: Inputs
    labels: Labels

    @property
    def digest(self) -> str:
        """SHA-256 of the rows, shortened; the same on every machine."""
        digest = hashlib.sha256()
        for array in (self.inputs, self.labels):
            digest.update(f"{array.dtype.str}{array.shape}".encode())
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()[:DIGEST_LENGTH]


@dataclass(frozen=True, slots=True, eq=False)
class Dataset:
    """A dataset ready to train on. `columns` is empty where the input is a tensor, not a frame."""

    name: DatasetName
    source: str
    classes: tuple[str, ...]
    columns: tuple[str, ...]
    train: Split
    validation: Split
    test: Split

    @property
    def digest(self) -> str:
        """One digest for names and rows of all three splits."""
        parts = (*self.classes, *self.columns, self.train.digest, self.validation.digest, self.test.digest)
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:DIGEST_LENGTH]


def load(name: DatasetName) -> Dataset:
    """The dataset, split 70 / 15 / 15."""
    return _LOADERS[name]()


def _digits() -> Dataset:
    """1797 images; inputs float32 [rows, 8, 8], pixels from 0 to 16."""
    images, labels = load_digits(return_X_y=True)
    inputs = images.reshape(-1, 8, 8).astype("<f4")
    classes = tuple(str(digit) for digit in range(10))
    source = "sklearn.datasets.load_digits"
    return _split(DatasetName.DIGITS, source, classes, (), inputs, labels.astype("<i8"))


def _tumours() -> Dataset:
    """569 tumours; inputs float64 [rows, 30], in the units they were measured in."""
    bunch = load_breast_cancer()
    columns = tuple(str(name).replace(" ", "_") for name in bunch.feature_names)
    classes = tuple(str(name) for name in bunch.target_names)
    inputs, labels = bunch.data.astype("<f8"), bunch.target.astype("<i8")
    return _split(DatasetName.TUMOURS, "sklearn.datasets.load_breast_cancer", classes, columns, inputs, labels)


_LOADERS: dict[DatasetName, Callable[[], Dataset]] = {
    DatasetName.DIGITS: _digits,
    DatasetName.TUMOURS: _tumours,
}


def _split(
    name: DatasetName,
    source: str,
    classes: tuple[str, ...],
    columns: tuple[str, ...],
    inputs: Inputs,
    labels: Labels,
) -> Dataset:
    train, rest = _stratified(Split(inputs, labels), 0.3)
    validation, test = _stratified(rest, 0.5)
    return Dataset(name, source, classes, columns, train, validation, test)


def _stratified(rows: Split, share: float) -> tuple[Split, Split]:
    first, second = train_test_split(
        np.arange(len(rows.labels)), test_size=share, random_state=SPLIT_SEED, stratify=rows.labels
    )
    return Split(rows.inputs[first], rows.labels[first]), Split(rows.inputs[second], rows.labels[second])
