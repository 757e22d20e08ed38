"""The two forms of a test: quick, in `make check`, and full, as the catalogue of faults asks, in `make e2e`."""

import os
import shutil

import pytest

FULL = pytest.mark.e2e
# A test that asks for a time: `make e2e` runs it too, by itself, with the figure as it stands.
TIMED = pytest.mark.timed
_SLACK = float(os.environ.get("TEST_SLACK", "1"))


def forms(quick: int, full: int) -> pytest.MarkDecorator:
    """The parameter `times`, in both forms."""
    return pytest.mark.parametrize("times", [quick, pytest.param(full, marks=[FULL, pytest.mark.timeout(3600)])])


def within(seconds: float) -> float:
    """The seconds a promise allows; in `make check`, where other tests take the same cores, what tells it from never.

    A machine may well stand still for a second, which is no fault of what is tested.
    """
    return seconds * _SLACK


def needs(*programs: str) -> pytest.MarkDecorator:
    """Programs of the system that not every machine has; CI installs them all."""
    missing = [one for one in programs if shutil.which(one) is None]
    return pytest.mark.skipif(bool(missing), reason=f"needs {', '.join(missing)}")
