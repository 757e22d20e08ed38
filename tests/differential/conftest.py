"""Both sides run as they do in a server, which tells MLflow so: type hints decode text only there."""

from collections.abc import Iterator

import pytest


@pytest.fixture(scope="package", autouse=True)
def serving() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("_MLFLOW_IS_IN_SERVING_ENVIRONMENT", "true")
        yield
