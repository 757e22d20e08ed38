"""The two forms of a test: quick, in `make check`, and full, as the catalogue of faults asks, in `make e2e`."""

import pytest

FULL = pytest.mark.e2e


def forms(quick: int, full: int) -> pytest.MarkDecorator:
    """The parameter `times`, in both forms."""
    return pytest.mark.parametrize("times", [quick, pytest.param(full, marks=[FULL, pytest.mark.timeout(3600)])])
