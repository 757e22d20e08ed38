"""Row E-20: no bytes make a parser fail in a way of its own, or take long."""

import os

import pytest

from tests.forms import FULL
from tests.fuzz.mutate import inputs
from tests.fuzz.run import tried
from tests.fuzz.targets import TARGETS

QUICK = {"pin": 300}


@pytest.mark.parametrize("name", TARGETS)
def test_e20_each_parser_reads_or_refuses_whatever_comes(name: str) -> None:
    tried(name, number=int(os.environ.get("FUZZ_SEED", "0")), count=QUICK.get(name, 3000))


@FULL
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("name", TARGETS)
def test_e20_each_parser_reads_or_refuses_a_hundred_thousand_inputs(name: str) -> None:
    tried(name, number=1, count=10_000 if name == "pin" else 100_000)


@pytest.mark.parametrize("name", TARGETS)
def test_the_seeds_are_what_the_parser_reads(name: str) -> None:
    target = TARGETS[name]
    padded = [seed + b" " * count for seed in target.seeds for count in range(50)]  # which draws signatures, too
    assert any(target.run(one) is not None for one in padded)


def test_inputs_are_many_and_the_same_for_the_same_number() -> None:
    first, second = (list(inputs([b"seed"], [b"word"], 1, 1000)) for _ in range(2))
    assert first == second
    assert len(set(first)) > 500
    assert first != list(inputs([b"seed"], [b"word"], 2, 1000))
