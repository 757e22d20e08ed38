"""The datasets: shapes, splits, digests."""

from dataclasses import replace

import numpy as np

from train.data import Dataset, Split, load


def test_digits_are_float32_images(digits: Dataset) -> None:
    assert digits.train.inputs.shape == (1257, 8, 8)
    assert digits.train.inputs.dtype == np.float32
    assert digits.columns == ()


def test_tumours_are_float64_columns_with_names_fit_for_a_program(tumours: Dataset) -> None:
    assert tumours.train.inputs.shape == (398, 30)
    assert tumours.train.inputs.dtype == np.float64
    assert len(tumours.columns) == 30
    assert all(column.isidentifier() for column in tumours.columns)
    assert tumours.classes == ("malignant", "benign")


def test_the_splits_share_no_row_and_leave_none_out(dataset: Dataset) -> None:
    splits = (dataset.train, dataset.validation, dataset.test)
    rows = [row.tobytes() for split in splits for row in split.inputs]
    assert len(rows) == len(set(rows)) == {"digits": 1797, "tumours": 569}[dataset.name]


def test_every_class_has_its_share_in_every_split(dataset: Dataset) -> None:
    shares = [
        np.bincount(split.labels) / len(split.labels) for split in (dataset.train, dataset.validation, dataset.test)
    ]
    assert np.ptp(shares, axis=0).max() < 0.02


def test_loading_again_gives_the_same_rows(dataset: Dataset) -> None:
    assert load(dataset.name).digest == dataset.digest


def test_the_digests_are_those_recorded_in_earlier_runs(digits: Dataset, tumours: Dataset) -> None:
    """A change here means that older runs were trained or measured on other rows."""
    assert digits.digest == "2a4812daf5d3d3d4b45c0936212bd11b"
    assert tumours.digest == "aecff6c12318af1021cac26045eaae2f"


def test_one_changed_value_changes_the_digest(dataset: Dataset) -> None:
    inputs = dataset.test.inputs.copy()
    inputs.flat[0] += 1
    changed = replace(dataset, test=Split(inputs, dataset.test.labels))
    assert changed.digest != dataset.digest
