"""Hypothesis for unit tests: few examples, and no time limits that a busy machine would break."""

from hypothesis import settings

settings.register_profile("unit", deadline=None, max_examples=60)
settings.load_profile("unit")
