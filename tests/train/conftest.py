"""The real datasets, loaded once."""

import pytest

from train.data import Dataset, load
from train.settings import DatasetName


@pytest.fixture(scope="session")
def digits() -> Dataset:
    return load(DatasetName.DIGITS)


@pytest.fixture(scope="session")
def tumours() -> Dataset:
    return load(DatasetName.TUMOURS)


@pytest.fixture(scope="session", params=list(DatasetName))
def dataset(request: pytest.FixtureRequest, digits: Dataset, tumours: Dataset) -> Dataset:
    """Each dataset in turn."""
    return digits if request.param is DatasetName.DIGITS else tumours
