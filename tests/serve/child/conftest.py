"""The child's modules as the child imports them: siblings by plain name, gone again from `sys.modules`."""

import importlib.util
import sys
from types import ModuleType

import pytest

from serve.child import wire
from serve.worker.process import CHILD


@pytest.fixture(scope="session")
def outputs() -> ModuleType:
    """`serve/child/outputs.py`, whose `wire` is the very module the server uses, so that values compare."""
    spec = importlib.util.spec_from_file_location("serve.child.outputs", CHILD / "outputs.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["wire"] = wire
    try:
        spec.loader.exec_module(module)
    finally:
        del sys.modules["wire"]
    return module
