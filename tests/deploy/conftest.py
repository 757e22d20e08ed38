"""The oracle's two promotions, as the tests of chaos have them."""

from tests.chaos.conftest import promoted, repository

__all__ = ["promoted", "repository"]
