"""How the account names the program in what it says to type."""

from pathlib import Path

import pytest

from serve.commands.account import called


@pytest.mark.parametrize(
    ("program", "environment", "told"),
    [
        ("/clone/.venv/bin/serve", {}, "serve"),
        ("/clone/.venv/bin/serve", {"MAKELEVEL": "1"}, ".venv/bin/serve"),
        ("/elsewhere/bin/serve", {"MAKELEVEL": "1"}, "/elsewhere/bin/serve"),
        ("/clone/serve/__main__.py", {"MAKELEVEL": "1"}, "serve"),
    ],
    ids=["by its name", "by make", "by make, from elsewhere", "as a module"],
)
def test_what_is_said_to_type_can_be_typed_where_it_is_read(
    program: str, environment: dict[str, str], told: str
) -> None:
    assert called(program, environment, "/clone") == told


def test_the_folder_that_is_meant_is_the_one_it_is_called_in() -> None:
    assert called(str(Path.cwd() / "bin" / "serve"), {"MAKELEVEL": "2"}) == "bin/serve"
