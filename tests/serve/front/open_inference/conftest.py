"""A request's path without a server: what the protocol makes of it, and what the model is then given."""

from typing import Any

import pytest

from serve.signature.binding import Bound
from tests.serve.child.conftest import child_module

_inputs = child_module("inputs")


class Model:
    """The last step before a model, in the child's own words."""

    @staticmethod
    def given(bound: Bound) -> Any:
        """What a model is given for this request alone."""
        return _inputs.given((bound.value,), None)


@pytest.fixture(scope="session")
def model() -> Model:
    return Model()
