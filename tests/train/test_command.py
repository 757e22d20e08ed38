"""The command's refusals, each in one clear sentence, before anything heavy is imported."""

import re
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from train.__main__ import cli

BOX = re.compile(r"[\s│╭╮╰╯─]+")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["run", "flowers"], "'flowers' is not one of 'digits', 'tumours'"),
        (["run"], "Missing argument 'DATASET'"),
        (["run", "digits", "--epochs", "many"], "Invalid value for '--epochs'"),
        (["run", "digits", "--learning-rate", "0"], "--learning-rate 0.0 cannot be used: it must be greater than 0."),
        (["run", "digits", "--learning-rate", "nan"], "--learning-rate nan cannot be used: it must be a finite number"),
        (["run", "digits", "--epochs", "0"], "--epochs 0 cannot be used"),
        (["sweep", "digits", "--trials", "0"], "Invalid value for '--trials'"),
        (["sweep", "tumours", "--dropout", "1"], "--dropout 1.0 cannot be used"),
        (["fly"], "No such command 'fly'"),
    ],
)
def test_arguments_that_cannot_be_used_are_refused(arguments: list[str], sentence: str) -> None:
    result = CliRunner().invoke(cli, arguments, prog_name="train")
    assert result.exit_code == 2
    assert sentence in BOX.sub(" ", result.stderr)
    assert result.stdout == ""


def test_help_imports_neither_torch_nor_mlflow() -> None:
    code = "import sys, train.__main__; sys.exit(any(name in sys.modules for name in ('torch', 'mlflow', 'sklearn')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
