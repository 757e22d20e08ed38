"""The child's modules as the child imports them: siblings by plain name, gone again from `sys.modules`."""

import importlib
import sys
from types import ModuleType

import pytest

from serve.child import wire
from serve.worker.process import CHILD


@pytest.fixture(scope="session")
def outputs() -> ModuleType:
    """`serve/child/outputs.py`, whose `wire` is the very module the server uses, so that values compare."""
    sys.modules["wire"] = wire
    sys.path.insert(0, str(CHILD))
    try:
        return importlib.import_module("outputs")
    finally:
        sys.path.remove(str(CHILD))
        for name in ("outputs", "plain", "wire"):
            del sys.modules[name]
