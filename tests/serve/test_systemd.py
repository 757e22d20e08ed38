"""What systemd hands over is taken once, and only by whom it was meant for; it is told what changes, as it changes."""

import asyncio
import contextlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from serve import systemd
from serve.errors import SocketUnusable
from serve.systemd import Standing, Systemd


@pytest.fixture
def hearing(tmp_path: Path) -> Iterator[socket.socket]:
    """systemd's end."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as one:
        one.bind(str(tmp_path / "notify"))
        one.settimeout(10.0)
        yield one


def heard(hearing: socket.socket) -> list[str]:
    return hearing.recv(4096).decode().split("\n")


def handed_over(*sockets: socket.socket, names: str = "", pid: int | None = None) -> tuple[dict[str, str], int]:
    """The environment, and the first of the descriptors, which follow each other."""
    first = 200
    for at, one in enumerate(sockets):
        os.dup2(one.fileno(), first + at)
    pid = os.getpid() if pid is None else pid
    return {"LISTEN_PID": str(pid), "LISTEN_FDS": str(len(sockets)), "LISTEN_FDNAMES": names, "HOME": "/"}, first


@contextlib.contextmanager
def listening() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as one:
        yield one


def test_a_socket_that_is_handed_over_listens_for_callers_and_one_named_control_for_control() -> None:
    with listening() as front, listening() as control:
        environment, first = handed_over(front, control, names="http:control")
        taken = systemd.taken(environment, first)
        assert [one.getsockname() for one in taken.front] == [front.getsockname()]
        assert [one.getsockname() for one in taken.control] == [control.getsockname()]
        assert not taken.front[0].get_inheritable()
        for one in (*taken.front, *taken.control):
            one.close()


def test_what_was_handed_over_is_gone_from_the_environment() -> None:
    environment = {"NOTIFY_SOCKET": "/n", "WATCHDOG_USEC": "3000000", "WATCHDOG_PID": str(os.getpid()), "HOME": "/"}
    taken = systemd.taken(environment)
    assert (taken.address, taken.watchdog_seconds, taken.front) == ("/n", 3.0, ())
    assert environment == {"HOME": "/"}


def test_what_is_meant_for_another_process_is_left_alone() -> None:
    with listening() as front:
        environment, first = handed_over(front, pid=1)
        assert systemd.taken(environment | {"WATCHDOG_USEC": "5", "WATCHDOG_PID": "1"}, first) == Systemd()
        os.close(first)


@pytest.mark.parametrize(
    ("family", "kind", "told"),
    [
        (socket.AF_UNIX, socket.SOCK_STREAM, "the socket 'http' that systemd hands over is not of TCP"),
        (socket.AF_INET, socket.SOCK_DGRAM, "the socket 'http' that systemd hands over is not of TCP"),
        (socket.AF_INET, socket.SOCK_STREAM, "the socket 'http' that systemd hands over does not listen"),
    ],
)
def test_a_socket_that_no_caller_can_come_by_is_refused_in_a_sentence(family: int, kind: int, told: str) -> None:
    with socket.socket(family, kind) as one, pytest.raises(SocketUnusable, match=told):
        systemd.taken(*handed_over(one, names="http"))


def test_a_descriptor_that_is_no_socket_is_refused_in_a_sentence(tmp_path: Path) -> None:
    descriptor = os.open(tmp_path, os.O_RDONLY)
    with pytest.raises(SocketUnusable, match="a socket that systemd hands over is none"):
        systemd.taken({"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1"}, descriptor)
    os.close(descriptor)


async def test_systemd_hears_of_each_change_once_and_of_a_start_that_it_goes_on(hearing: socket.socket) -> None:
    stands = [
        Standing(),
        Standing(ready=True, status="live:\none"),
        Standing(ready=True, reloading=True, status="two comes"),
        Standing(ready=True, status="live: two"),
        Standing(ready=True, stopping=True, status="ends"),
    ]
    shown, told = stands[:1], list[list[str]]()
    telling = asyncio.create_task(Systemd(address=hearing.getsockname()).keep_told(lambda: shown[-1]))
    assert await asyncio.to_thread(heard, hearing) == ["EXTEND_TIMEOUT_USEC=60000000"]
    for one in stands[1:]:
        shown.append(one)
        told.append(await asyncio.to_thread(heard, hearing))
    telling.cancel()
    assert told[0] == ["READY=1", "STATUS=live: one"]
    assert [told[1][0], told[1][2]] == ["RELOADING=1", "STATUS=two comes"]
    assert told[1][1].startswith("MONOTONIC_USEC=")
    assert told[2:] == [["READY=1", "STATUS=live: two"], ["STOPPING=1", "STATUS=ends"]]


async def test_the_watchdog_hears_from_a_ready_server_twice_in_its_time(hearing: socket.socket) -> None:
    told = Systemd(address=hearing.getsockname(), watchdog_seconds=0.2)
    telling = asyncio.create_task(told.keep_told(lambda: Standing(ready=True)))
    assert await asyncio.to_thread(heard, hearing) == ["READY=1", "STATUS="]
    assert [await asyncio.to_thread(heard, hearing) for _ in range(3)] == [["WATCHDOG=1"]] * 3
    telling.cancel()


async def test_where_nobody_listens_nothing_is_told_and_nothing_breaks(tmp_path: Path) -> None:
    await Systemd().keep_told(Standing)
    Systemd(address=str(tmp_path / "nobody")).tell("READY=1")
    Systemd(address="@pinion-nobody").tell("READY=1")
