import socket

import pytest
from typer.testing import CliRunner

from serve.__main__ import cli
from serve.commands.serving import url


@pytest.mark.parametrize(
    ("family", "host", "told"),
    [(socket.AF_INET, "127.0.0.1", "http://127.0.0.1:"), (socket.AF_INET6, "::1", "http://[::1]:")],
)
def test_the_url_in_the_log_can_be_opened(family: int, host: str, told: str) -> None:
    with socket.socket(family) as listener:
        listener.bind((host, 0))
        assert url(listener) == f"{told}{listener.getsockname()[1]}"


def test_a_variable_that_names_a_whole_group_is_refused_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PINION_HTTP", "8000")
    monkeypatch.setenv("PINION_BATCH", "junk")
    found = CliRunner().invoke(cli, ["--repo", "."])
    assert found.exit_code == 2
    assert "PINION_HTTP__PORT" in found.output
