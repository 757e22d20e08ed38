"""The filter, run here by an interpreter of classic BPF, on both machines whatever this one is."""

import struct

import pytest
import seccomp

ALLOWED, REFUSED, UNKNOWN = 0x7FFF0000, 0x00050001, 0x00050026  # with EPERM, with ENOSYS
ARCHITECTURES = (0xC000003E, 0xC00000B7)
READ, MMAP = (0, 63), (9, 222)
MACHINES = pytest.mark.parametrize("machine", [0, 1], ids=["x86_64", "aarch64"])
AF_UNIX, AF_INET, AF_INET6, AF_NETLINK, AF_PACKET, AF_ALG = 1, 2, 10, 16, 17, 38
SOCK_STREAM, SOCK_SEQPACKET = 1, 5


def run(machine: int, number: int, *arguments: int, network: bool = False, architecture: int | None = None) -> int:
    """What the kernel would do for a call."""
    passed = [one & (2**64 - 1) for one in (*arguments, 0, 0, 0, 0, 0, 0)[:6]]
    data = struct.pack("<iIQ6Q", number, architecture or ARCHITECTURES[machine], 0, *passed)
    steps = list(struct.iter_unpack("<HBBI", seccomp.program(machine, network)))
    at, word = 0, 0
    while True:
        code, then, otherwise, value = steps[at]
        at += 1
        if code == 0x20:
            word = struct.unpack_from("<I", data, value)[0]
        elif code == 0x54:
            word &= value
        elif code == 0x06:
            return int(value)
        else:
            held = {0x15: word == value, 0x35: word >= value, 0x45: bool(word & value)}[code]
            at += then if held else otherwise


@MACHINES
def test_each_denied_call_is_refused_and_none_beside_it(machine: int) -> None:
    denied = {pair[machine] for pair in seccomp.DENIED.values()}
    conditional = {pair[machine] for pair, _ in seccomp._by_argument(network=False)}
    for number in range(512):
        if number not in conditional:
            assert run(machine, number) == (REFUSED if number in denied else ALLOWED), number
    assert {READ[machine], MMAP[machine]}.isdisjoint(denied | conditional)


def test_calls_of_another_machine_or_of_the_third_set_of_numbers_are_refused() -> None:
    for machine in (0, 1):
        for architecture in (0x40000003, 0x40000028, ARCHITECTURES[1 - machine]):
            assert run(machine, READ[machine], architecture=architecture) == REFUSED
    assert run(0, 0x40000000 + READ[0]) == UNKNOWN


@MACHINES
def test_sockets_are_refused_unless_the_network_is_granted_and_then_of_its_families_alone(machine: int) -> None:
    number = seccomp._SOCKET[machine]
    for family in range(64):
        assert run(machine, number, family) == REFUSED
        granted = family in (AF_UNIX, AF_INET, AF_INET6, AF_NETLINK)
        assert run(machine, number, family, network=True) == (ALLOWED if granted else REFUSED)


@MACHINES
def test_a_pair_of_sockets_is_bound_to_each_other_for_good_unless_the_network_is_granted(machine: int) -> None:
    number, flags = seccomp._SOCKETPAIR[machine], 0o2004000  # close on exec, and never wait
    for family in range(64):
        for kind in range(11):
            allowed = family == AF_UNIX and kind in (SOCK_STREAM, SOCK_SEQPACKET)
            assert run(machine, number, family, kind | flags) == (ALLOWED if allowed else REFUSED)
            assert run(machine, number, family, kind | flags, network=True) == ALLOWED


@MACHINES
def test_a_clone_is_a_process_or_a_thread_and_never_a_namespace(machine: int) -> None:
    number, thread = seccomp._CLONE[machine], 0x3D0F00
    assert run(machine, number, 17) == run(machine, number, thread) == ALLOWED
    for namespace in (0x00020000, 0x02000000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000):
        assert run(machine, number, 17 | namespace) == REFUSED
    assert run(machine, seccomp._CLONE3[machine], 0) == UNKNOWN


@MACHINES
def test_what_reaches_others_is_refused_and_the_same_for_oneself_is_not(machine: int) -> None:
    for pair, arguments, expected in (
        (seccomp._IOCTL, (0, 0x5401), ALLOWED),
        (seccomp._IOCTL, (0, 0x5412), REFUSED),
        (seccomp._IOCTL, (0, 2**32 + 0x5412), REFUSED),
        (seccomp._IOCTL, (0, 0x541C), REFUSED),
        (seccomp._PRCTL, (15, 0), ALLOWED),
        (seccomp._PRCTL, (1, 9), ALLOWED),
        (seccomp._PRCTL, (1, 0), REFUSED),
        (seccomp._PRCTL, (1, 15), REFUSED),
        (seccomp._PRLIMIT, (0, 7), ALLOWED),
        (seccomp._PRLIMIT, (1234, 7), REFUSED),
        (seccomp._SETAFFINITY, (0, 8), ALLOWED),
        (seccomp._SETAFFINITY, (1234, 8), REFUSED),
        (seccomp._SETPRIORITY, (0, 0), ALLOWED),
        (seccomp._SETPRIORITY, (0, 1234), REFUSED),
        (seccomp._SETPRIORITY, (2, 0), REFUSED),
    ):
        assert run(machine, pair[machine], *arguments) == expected, (pair, arguments)
