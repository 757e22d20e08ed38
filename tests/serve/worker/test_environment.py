import importlib.metadata
import re
import sys
from pathlib import Path

import pytest

from serve.artifact.snapshot import Recipe
from serve.errors import EnvironmentFailed
from serve.worker.environment import digest, reason, require_supported, satisfied_here, search_path, uv_environment

HERE = f"{sys.version_info.major}.{sys.version_info.minor}"
NUMPY = importlib.metadata.version("numpy")


def test_equal_recipes_share_a_digest_whatever_pythons_patch() -> None:
    assert digest(Recipe("3.11.7", ("a==1",))) == digest(Recipe("3.11.9", ("a==1",)))


def test_another_python_or_package_is_another_digest() -> None:
    recipes = [
        Recipe("3.11.7", ("a==1",)),
        Recipe("3.12.7", ("a==1",)),
        Recipe("3.11.7", ("a==2",)),
        Recipe("3.11.7", ("a==1", "b==1")),
        Recipe("3.11.7", ("a==1; python_version < '3.12'",)),
        Recipe("3.11.7", ()),
    ]
    digests = {digest(recipe) for recipe in recipes}
    assert len(digests) == len(recipes)
    assert all(len(one) == 32 and one.isalnum() for one in digests)


@pytest.mark.parametrize(
    ("python", "requirements", "satisfied"),
    [
        (f"{HERE}.0", (f"numpy=={NUMPY}",), True),
        (f"{HERE}.99", (f"NumPy=={NUMPY}",), True),
        (f"{HERE}.0", (), True),
        ("3.9.1", (f"numpy=={NUMPY}",), False),
        (f"{HERE}.0", ("numpy==0.1",), False),
        (f"{HERE}.0", (f"numpy=={NUMPY}", "no-such-package==1.0"), False),
        (f"{HERE}.0", ("no-such-package==1.0 ; sys_platform == 'win32'",), True),
        (f"{HERE}.0", ("no-such-package==1.0 ; sys_platform != 'win32'",), False),
        (f"{HERE}.0", (f"numpy=={NUMPY} ; os_name ~= 'posix'",), False),
    ],
)
def test_a_recipe_is_satisfied_here_only_to_the_letter(
    python: str, requirements: tuple[str, ...], satisfied: bool
) -> None:
    assert satisfied_here(Recipe(python, requirements)) is satisfied


@pytest.mark.parametrize(
    ("outer", "inner"),
    [
        pytest.param({}, {"UV_TORCH_BACKEND": "auto"}, id="no source named: torch by the machine"),
        pytest.param({"UV_TORCH_BACKEND": "cu126"}, {"UV_TORCH_BACKEND": "cu126"}, id="the operator's torch"),
        pytest.param({"PIP_FIND_LINKS": "/a /b"}, {"UV_FIND_LINKS": "/a,/b"}, id="pip's folders"),
        pytest.param({"PIP_FIND_LINKS": "/a", "UV_FIND_LINKS": "/b"}, {"UV_FIND_LINKS": "/b"}, id="uv's word wins"),
        pytest.param({"PIP_INDEX_URL": "u"}, {"UV_DEFAULT_INDEX": "u"}, id="pip's index"),
        pytest.param({"PIP_INDEX_URL": "u", "UV_DEFAULT_INDEX": "v"}, {"UV_DEFAULT_INDEX": "v"}, id="uv's index wins"),
        pytest.param({"PIP_INDEX_URL": "u", "UV_INDEX_URL": "v"}, {"UV_INDEX_URL": "v"}, id="uv's older name wins"),
        pytest.param({"PIP_EXTRA_INDEX_URL": "u w"}, {"UV_EXTRA_INDEX_URL": "u w"}, id="pip's further indexes"),
        pytest.param({"PIP_EXTRA_INDEX_URL": "u", "UV_INDEX": "v"}, {"UV_INDEX": "v"}, id="uv's further indexes win"),
        pytest.param({"UV_INDEX": "u"}, {"UV_INDEX": "u"}, id="with a source named, torch as that source has it"),
        pytest.param({"UV_INDEX": ""}, {"UV_INDEX": "", "UV_TORCH_BACKEND": "auto"}, id="an empty source is none"),
    ],
)
def test_uv_gets_the_package_sources_that_the_operator_named(outer: dict[str, str], inner: dict[str, str]) -> None:
    found = uv_environment(outer)
    assert {key: value for key, value in found.items() if key.startswith("UV_")} == inner


def test_uv_gets_the_operators_environment_without_what_points_at_our_own_python() -> None:
    kept = {"HOME": "/nowhere", "HTTPS_PROXY": "p", "UV_INDEX": "u", "PATH": "/bin"}
    found = uv_environment(kept | {"VIRTUAL_ENV": "x", "PYTHONPATH": "x", "PYTHONHOME": "x"})
    assert found == kept


@pytest.fixture
def pyenv(tmp_path: Path) -> Path:
    for version in ("3.10.1", "3.9.2"):
        (tmp_path / ".pyenv" / "versions" / version / "bin").mkdir(parents=True)
    return tmp_path / ".pyenv"


def test_pyenvs_own_interpreters_stand_in_for_its_shims(pyenv: Path) -> None:
    versions = f"{pyenv}/versions/3.10.1/bin:{pyenv}/versions/3.9.2/bin"
    assert search_path({"PATH": f"/a:{pyenv}/shims:/b", "HOME": str(pyenv.parent)}) == f"/a:/b:{versions}"
    assert search_path({"PATH": "/a", "HOME": "/nowhere", "PYENV_ROOT": str(pyenv)}) == f"/a:{versions}"


@pytest.mark.parametrize("path", ["/a:/b", "/a::/b", ":/a:/b:"])
def test_without_pyenv_the_path_stays_and_never_means_the_current_folder(path: str) -> None:
    assert search_path({"PATH": path, "HOME": "/nowhere"}) == "/a:/b"


@pytest.mark.parametrize("python", ["3.9.0", "3.11.7", "3.13.12"])
def test_models_of_the_pythons_that_mlflow_knows_are_taken(python: str) -> None:
    require_supported(Recipe(python, ()))


@pytest.mark.parametrize("python", ["2.7.18", "3.8.20", "3.14.0", "4.0.0", "3.x", "3.²"])
def test_a_model_of_another_python_is_refused(python: str) -> None:
    told = f"the model was recorded under Python {python}; Pinion runs models of Python 3.9 to 3.13"
    with pytest.raises(EnvironmentFailed, match=re.escape(told)):
        require_supported(Recipe(python, ()))


@pytest.mark.parametrize(
    ("stderr", "told"),
    [
        (
            "Using Python 3.11\n  × No solution found when resolving dependencies:\n"
            "  ╰─▶ Because a was not found\n      and you require a==1, we conclude no.\n\nhint: try b\n",
            "No solution found when resolving dependencies: Because a was not found and you require a==1, we "
            "conclude no.",
        ),
        (
            "\x1b[31merror\x1b[39m: Failed to read `x`\n  cause: No such file\n",
            "error: Failed to read `x` cause: No such",
        ),
        ("error: Failed to fetch: `https://user:secret@host/simple/`\n", "error: Failed to fetch: `"),
        (
            "error: Request failed after 3 retries\n  cause: Failed to fetch: https://u:secret@host:80/simple/six/\n",
            "error: Request failed after 3 retries cause: Failed to fetch: six",
        ),
        ("Killed\n", "Killed"),
        ("warning: slow\nerror: no space left", "error: no space left"),
        ("", "it gave no reason"),
        ("  \n", "it gave no reason"),
    ],
)
def test_what_uv_says_went_wrong_is_told_in_one_line(stderr: str, told: str) -> None:
    found = reason(stderr)
    assert found.startswith(told)
    assert "secret" not in found
    assert found.isprintable()


def test_a_long_reason_is_cut() -> None:
    assert len(reason("error: " + "x" * 5000)) <= 600
