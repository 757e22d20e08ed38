"""The recipe: what was asked for, what is left out of what uv resolved, and what may stand in environment.txt."""

import re

import pytest

from promote.errors import PromotionRefused
from promote.recipe import _exact, _portable, asked, text
from serve.artifact.snapshot import Recipe


def test_blanks_and_comments_are_no_requirements() -> None:
    written = "# all\n\nnumpy==2.4.6  # exact\n  pandas\t# any\nx @ https://host/x.whl#sha256=1\n"
    assert asked(written) == ("numpy==2.4.6", "pandas", "x @ https://host/x.whl#sha256=1")


def test_the_build_of_torch_is_left_out_its_version_is_not() -> None:
    resolved = ["torch==2.13.0+cpu", "torchvision==0.25.0+cu128", "torch-geometric==2.7.0+local", "numpy==2.4.6"]
    assert _portable(resolved, []) == [
        "torch==2.13.0",
        "torchvision==0.25.0",
        "torch-geometric==2.7.0+local",
        "numpy==2.4.6",
    ]


def test_a_marker_behind_the_build_of_torch_stays() -> None:
    assert _portable(["torch==2.13.0+cpu ; sys_platform == 'linux'"], []) == ["torch==2.13.0 ; sys_platform == 'linux'"]


def test_what_torch_brings_for_a_gpu_is_left_out_unless_it_was_asked_for() -> None:
    resolved = [
        "nvidia-cublas-cu12==12.8.4",
        "nvidia-ml-py==13.0",
        "cuda-bindings==13.0",
        "triton==3.6.0",
        "six==1.17.0",
    ]
    assert _portable(resolved, ["six", "NVIDIA_ml.py>=12"]) == ["nvidia-ml-py==13.0", "six==1.17.0"]


def test_lines_that_are_exact_are_sorted() -> None:
    lines = ["six==1.17.0", "a[b,c]==1.0+local", "z==2 ; python_version < '3.12'"]
    assert _exact(lines) == ("a[b,c]==1.0+local", "six==1.17.0", "z==2 ; python_version < '3.12'")


@pytest.mark.parametrize("line", ["six @ https://host/six.whl", "six>=1", "-e .", "six==1.*", "six", "six==1,!=2"])
def test_a_package_that_is_not_exact_is_refused(line: str) -> None:
    with pytest.raises(PromotionRefused, match=re.escape(f"its environment holds '{line}'")):
        _exact([line])


def test_environment_txt_has_a_line_for_each_package() -> None:
    assert text(Recipe("3.11.7", ("a==1", "b==2"))) == "a==1\nb==2\n"
