"""Every type of a signature, in every dialect and format: what the model is given, and what comes back. docs/types.md."""

from pathlib import Path

import pytest

from tests.types.kinds import KINDS, Kind
from tests.types.routes import ROUTES, Format, normal, as_python
from tests.types.served import ask

CELLS = [
    pytest.param(kind, path, format_, id=f"{kind.name}-{path[1:]}-{format_.name}")
    for kind in KINDS.values()
    for path, formats in ROUTES.items()
    for format_ in formats
]


@pytest.mark.parametrize(("kind", "path", "format_"), CELLS)
def test_x(kind: Kind, path: str, format_: Format) -> None:
    body = format_.write(kind)
    headers = {"content-type": format_.content_type, "accept": format_.content_type, **body.headers}
    served = ask(kind, path, headers, body.content)
    found = normal(kind, format_.read(kind, served.body, served.headers))
    print(format_.read(kind, served.body, served.headers))
    assert found == as_python(kind)
