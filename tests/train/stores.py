"""Real MLflow stores for tests.

Import this before anything of `train.record`: MLflow's pyfunc warns of its own type hints while it is first
imported, when a test's own marks are not in force yet, so it is imported here with warnings off.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import mlflow
import pytest

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import mlflow.pyfunc as pyfunc

__all__ = ["MLFLOWS_OWN_WARNINGS", "empty_store", "pyfunc"]

# MLflow 3.17 uses what SQLAlchemy 2.1 and pandas 3 have deprecated
MLFLOWS_OWN_WARNINGS = [
    pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:Operation with range is deprecated:DeprecationWarning"),
]


@contextmanager
def empty_store(folder: Path) -> Iterator[Path]:
    """`folder` is the working folder, where MLflow's store will be made; MLflow's settings are put back after."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        # in full: MLflow remembers a store by its URI, so `sqlite:///mlflow.db` would be the first test's for ever
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder}/mlflow.db")
        try:
            yield folder
        finally:
            mlflow.set_tracking_uri(None)  # type: ignore[arg-type]
