"""The child's modules as the child imports them: siblings by plain name, gone again from `sys.modules`."""

import importlib
import sys
from types import ModuleType

import pytest

from serve.child import wire
from serve.worker.process import CHILD

SIBLINGS = {path.stem for path in CHILD.glob("*.py")} - {"__init__", "__main__"}


def child_module(name: str) -> ModuleType:
    """`serve/child/<name>.py`, whose `wire` is the very module the server uses, so that values compare."""
    before = set(sys.modules)
    sys.modules["wire"] = wire
    sys.path.insert(0, str(CHILD))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(str(CHILD))
        for sibling in SIBLINGS - before:
            sys.modules.pop(sibling, None)


@pytest.fixture(scope="session")
def outputs() -> ModuleType:
    return child_module("outputs")


@pytest.fixture(scope="session")
def inputs() -> ModuleType:
    return child_module("inputs")


@pytest.fixture(scope="session")
def model() -> ModuleType:
    return child_module("model")
