"""The gate: every reason against a candidate, each in its sentence; none where it passes."""

from dataclasses import replace

import pytest

from promote.gate import Facts, verdict
from promote.source import Candidate

GOOD = Candidate("models:/m-1", run="r1", status="FINISHED", model_id="m-1", model_status="READY")
EXAMPLE = "serving_input_example.json"
MLMODEL = {
    "flavors": {"python_function": {}},
    "signature": {"inputs": '[{"type": "double", "name": "x"}]'},
    "saved_input_example_info": {"serving_input_path": EXAMPLE},
}
FACTS = Facts(
    MLMODEL, {"MLmodel": 10, "requirements.txt": 20, EXAMPLE: 30}, ("numpy==2.4.6", "x[y]>=1; python_version>'3'")
)


def test_a_whole_candidate_passes() -> None:
    assert verdict(GOOD, FACTS, {"MLmodel": 10}) == []


def test_a_folder_without_a_run_passes() -> None:
    assert verdict(Candidate("/m", local=True), FACTS, {}) == []


@pytest.mark.parametrize(
    ("candidate", "reason"),
    [
        (replace(GOOD, status="FAILED"), "run r1 is FAILED, not FINISHED"),
        (replace(GOOD, status="RUNNING"), "run r1 is RUNNING, not FINISHED"),
        (replace(GOOD, status="DELETED"), "run r1 is DELETED, not FINISHED"),
        (replace(GOOD, model_status="PENDING"), "model m-1 is PENDING, not READY: it was not logged whole"),
    ],
)
def test_what_did_not_end_well_is_refused(candidate: Candidate, reason: str) -> None:
    assert verdict(candidate, FACTS, {}) == [reason]


def test_every_file_that_the_store_lists_must_be_there_whole() -> None:
    assert verdict(GOOD, FACTS, {"MLmodel": 10, "data/weights.bin": 5, EXAMPLE: 31}) == [
        "the artifact lacks data/weights.bin, which its store lists",
        f"{EXAMPLE} has 30 bytes, and 31 in its store",
    ]


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("data/.dvcignore", "data/.dvcignore"),
        ("code/.git/config", "code/.git/config"),
        (".dvc/x", ".dvc/x"),
        ("data/x.dvc", "data/x.dvc"),
        ("dvc.yaml", "dvc.yaml"),
    ],
)
def test_a_file_that_would_not_come_back_from_dvc_is_named(path: str, told: str) -> None:
    files = {**FACTS.files, path: 1, "data/my.dvc.txt": 1, ".gitignore": 1, "dvc.yaml.old": 1}
    assert verdict(GOOD, replace(FACTS, files=files), {}) == [
        f"it holds {told}, a name that DVC or git keeps for itself"
    ]


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("data/\udcff", r"'data/\udcff', which has a character that no path may have"),
        ("data/\x1b[31m", r"'data/\x1b[31m', which has a character that no path may have"),
        ("data\\x", r"'data\\x', which has a character that no path may have"),
        ("x/" * 30 + "x", f"'{'x/' * 30}x', which is over 32 folders deep"),
        ("/".join(["x" * 250] * 4), f"'{'x' * 80}', which has over 1024 bytes"),
    ],
)
def test_a_file_that_serve_would_not_take_from_dvc_is_named(path: str, told: str) -> None:
    found = verdict(GOOD, replace(FACTS, files={**FACTS.files, path: 1}), {})
    assert [one.startswith(f"it holds {told}") for one in found] == [True], found
    assert found[0].endswith("; log it under another name")


@pytest.mark.parametrize(
    ("mlmodel", "reason"),
    [
        ({"flavors": {"sklearn": {}}}, "it has no python_function flavor"),
        ({"flavors": ["python_function"]}, "it has no python_function flavor"),
        ({"signature": None}, "it has no signature"),
        ({"signature": {"inputs": None, "outputs": "[]"}}, "it has no signature"),
        ({"signature": "double"}, "it has no signature"),
        ({"saved_input_example_info": None}, "it has no input example"),
        ({"saved_input_example_info": {"serving_input_path": "../../etc/passwd"}}, "it has no input example"),
    ],
)
def test_a_model_that_can_not_be_asked_is_refused(mlmodel: dict[str, object], reason: str) -> None:
    reasons = verdict(GOOD, replace(FACTS, mlmodel={**MLMODEL, **mlmodel}), {})
    assert len(reasons) == 1
    assert reasons[0].startswith(reason)


def test_an_example_too_large_to_be_kept_is_refused() -> None:
    large = replace(FACTS, files={**FACTS.files, EXAMPLE: 40 * 2**20})
    assert verdict(GOOD, large, {}) == ["its input example has 40 MiB, and may have 32: log fewer rows"]


def test_without_requirements_the_environment_is_not_known() -> None:
    files = {"MLmodel": 10, EXAMPLE: 30}
    assert verdict(GOOD, replace(FACTS, files=files), {}) == [
        "it has no requirements.txt, so its environment is not known"
    ]


@pytest.mark.parametrize(
    "line",
    [
        "--index-url https://evil.example",
        "-r other.txt",
        "-e .",
        "./evil.whl",
        "git+https://evil.example/e",
        "a b",
        "\x1b",
    ],
)
def test_a_requirement_that_is_more_than_a_name_and_versions_is_refused(line: str) -> None:
    [reason] = verdict(GOOD, replace(FACTS, requirements=(line,)), {})
    assert reason.endswith("is not of the form name==version")
    assert "\x1b" not in reason


@pytest.mark.parametrize(
    "line", ["evil @ https://evil.example/e.whl", "evil @ git+https://x/y", "evil @ file:///tmp/e"]
)
def test_a_requirement_at_an_address_is_refused(line: str) -> None:
    [reason] = verdict(GOOD, replace(FACTS, requirements=(line,)), {})
    assert reason == f"its requirement '{line}' names an address; only name==version is taken"


def test_every_reason_is_told_at_once() -> None:
    empty = Facts({}, {}, ())
    assert len(verdict(replace(GOOD, status="KILLED", model_status="FAILED"), empty, {"a": 1})) == 7
