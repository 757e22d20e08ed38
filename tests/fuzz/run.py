"""A target and so many inputs → how many a second, or the input that it could not stand."""

import time

from tests.fuzz.mutate import inputs
from tests.fuzz.targets import TARGETS

LONGEST_SECONDS = 2.0  # of the processor, that one input may take


def tried(name: str, number: int, count: int) -> float:
    """Inputs a second. `AssertionError` has the input that raised, or took too long."""
    target, spent = TARGETS[name], 0.0
    for data in inputs(target.seeds, target.words, number, count):
        began = time.process_time()
        try:
            target.run(data)
        except Exception as error:
            raise AssertionError(f"{name} fails on {data!r}: {type(error).__name__}: {error}") from error
        took = time.process_time() - began
        assert took < LONGEST_SECONDS, f"{name} takes {took:.1f} s for {data!r}"
        spent += took
    return count / spent
