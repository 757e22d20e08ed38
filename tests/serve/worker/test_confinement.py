"""What a process reports about its confinement, and what is made of it."""

import json
from typing import Any

import pytest

from serve.errors import SandboxFailed
from serve.worker.confinement import Confinement, SandboxPolicy, in_force

ALL = {"landlock": 7, "seccomp": True, "namespaces": ["ipc", "mount", "network"]}


def report(**less: Any) -> bytes:
    return json.dumps({**ALL, **less}).encode() + b"\n"


def test_all_that_can_be_in_force_leaves_nothing_open() -> None:
    found = in_force(Confinement(), report())
    assert found.facts == {
        **ALL,
        "policy": "auto",
        "namespaces": ("ipc", "mount", "network"),
        "network": "none",
        "open": (),
    }


@pytest.mark.parametrize(
    ("less", "told", "network"),
    [
        ({"landlock": 0}, ["no Landlock: it may read what the server's user may", "may send signals"], "none"),
        (
            {"landlock": 0, "namespaces": []},
            ["it may read and write what the server's user may", "may send signals", "change modes"],
            "none",
        ),
        ({"landlock": 2}, ["may truncate files", "may send signals"], "none"),
        ({"landlock": 5}, ["may send signals"], "none"),
        ({"landlock": 6}, [], "none"),
        ({"seccomp": False}, ["no seccomp"], "none"),
        ({"namespaces": []}, ["no namespaces"], "none"),
        ({"namespaces": ["ipc", "network"]}, ["no namespaces"], "none"),
        ({"seccomp": False, "namespaces": []}, ["no seccomp", "no namespaces"], "open"),
    ],
)
def test_what_is_not_in_force_is_said(less: dict[str, Any], told: list[str], network: str) -> None:
    found = in_force(Confinement(), report(**less))
    assert len(found.open) == len(told)
    assert all(words in line for words, line in zip(told, found.open, strict=True))
    assert found.network == network


def test_a_network_that_is_granted_is_told_as_that() -> None:
    assert in_force(Confinement(network=True), report(namespaces=["ipc", "mount"])).network == "granted"


@pytest.mark.parametrize(("less", "told"), [({"landlock": 0}, "no Landlock"), ({"seccomp": False}, "no seccomp")])
def test_where_it_is_required_a_kernel_without_either_is_refused(less: dict[str, Any], told: str) -> None:
    with pytest.raises(SandboxFailed, match=told):
        in_force(Confinement(SandboxPolicy.REQUIRED), report(**less))
    assert in_force(Confinement(SandboxPolicy.REQUIRED), report(namespaces=[])).landlock == 7


@pytest.mark.parametrize(("said", "told"), [(b"", "it ended"), (b'{"failed": "no such thing"}\n', "no such thing")])
def test_a_process_that_could_not_be_confined_is_not_used(said: bytes, told: str) -> None:
    with pytest.raises(SandboxFailed, match=told):
        in_force(Confinement(), said)


def test_an_interpreter_that_is_not_there_is_told_as_that() -> None:
    with pytest.raises(FileNotFoundError, match="nowhere"):
        in_force(Confinement(), report() + b'{"absent": "no such file: /nowhere/python"}\n')


@pytest.mark.parametrize(
    ("message", "hinted"),
    [
        ("[Errno 13] Permission denied: '/srv/vocabulary'", True),
        ("<urlopen error [Errno 1] Operation not permitted>", True),
        ("[Errno 30] Read-only file system: '/var/cache/x'", True),
        ("could not convert string to float", False),
    ],
)
def test_an_error_that_may_be_the_confinement_s_doing_says_what_grants_more(message: str, hinted: bool) -> None:
    hint = Confinement().hint(message)
    assert all((word in hint) == hinted for word in ("worker.readable", "worker.writable", "worker.network"))
    assert Confinement(SandboxPolicy.OFF).hint(message) == ""
