"""seccomp: system calls that no model needs, and through which one might reach others, are refused with EPERM.

Classic BPF by hand (linux/filter.h, linux/seccomp.h). All else is allowed: a list of what every library may call would
never be whole. Where a call is allowed whatever its arguments, Linux since 5.11 remembers that and runs no filter, so
that nothing which a prediction does costs more.
"""

import ctypes
import struct

from linux import MACHINE, SECCOMP, call

_ARCHITECTURES = (0xC000003E, 0xC00000B7)  # AUDIT_ARCH_X86_64, AUDIT_ARCH_AARCH64
_X32 = 0x40000000  # the third set of numbers that x86_64 kernels may take

# Each name's number on x86_64 and on aarch64; None where that has no such call.
DENIED: dict[str, tuple[int | None, int | None]] = {
    # into other processes
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271),
    "pidfd_getfd": (438, 438), "process_madvise": (440, 440), "kcmp": (312, 272),
    "sched_setscheduler": (144, 119), "sched_setattr": (314, 274), "sched_setparam": (142, 118),
    "ioprio_set": (251, 30), "move_pages": (279, 239), "migrate_pages": (256, 238),
    # out of the process group, by which all that a model started is ended
    "setsid": (112, 157), "setpgid": (109, 154),
    # out of, or into, the file system as others see it
    "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41), "chroot": (161, 51),
    "fsopen": (430, 430), "fsconfig": (431, 431), "fsmount": (432, 432), "fspick": (433, 433),
    "open_tree": (428, 428), "move_mount": (429, 429), "mount_setattr": (442, 442), "open_tree_attr": (467, 467),
    "open_by_handle_at": (304, 265), "name_to_handle_at": (303, 264), "fanotify_init": (300, 262),
    "quotactl": (179, 60), "quotactl_fd": (443, 443), "acct": (163, 89),
    "swapon": (167, 224), "swapoff": (168, 225),
    # namespaces, in which one would have every capability
    "unshare": (272, 97), "setns": (308, 268),
    # large parts of the kernel that are hard to defend
    "bpf": (321, 280), "perf_event_open": (298, 241), "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425), "io_uring_enter": (426, 426), "io_uring_register": (427, 427),
    "keyctl": (250, 219), "add_key": (248, 217), "request_key": (249, 218),
    "modify_ldt": (154, None), "lookup_dcookie": (212, 18), "uselib": (134, None), "vhangup": (153, 58),
    # the machine itself
    "kexec_load": (246, 104), "kexec_file_load": (320, 294), "reboot": (169, 142), "syslog": (103, 116),
    "init_module": (175, 105), "finit_module": (313, 273), "delete_module": (176, 106),
    "settimeofday": (164, 170), "clock_settime": (227, 112), "adjtimex": (159, 171), "clock_adjtime": (305, 266),
    "sethostname": (170, 161), "setdomainname": (171, 162), "iopl": (172, None), "ioperm": (173, None),
}  # fmt: skip

_SOCKET, _SOCKETPAIR, _CLONE, _CLONE3, _IOCTL = (41, 198), (53, 199), (56, 220), (435, 435), (16, 29)
_PRCTL, _PRLIMIT, _SETPRIORITY, _SETAFFINITY = (157, 167), (302, 261), (141, 140), (203, 122)

_NEW_NAMESPACES = 0x7E020000  # CLONE_NEWNS, CGROUP, UTS, IPC, USER, PID, NET
_TYPING_FOR_OTHERS = (0x5412, 0x541C)  # TIOCSTI, TIOCLINUX
_AF_UNIX = 1
_FAMILIES = (_AF_UNIX, 2, 10, 16)  # and AF_INET, AF_INET6, AF_NETLINK
_STREAM, _SEQPACKET, _KIND = 1, 5, 0xF  # kinds of socket, and the bits that say which
_PR_SET_PDEATHSIG, _SIGKILL, _PRIO_USER = 1, 9, 2

_EPERM, _ENOSYS = 1, 38
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
_SET_MODE_FILTER, _SPEC_ALLOW = 1, 1 << 2

_Instruction = tuple[int, int, int, int]


def install(network: bool) -> bool:
    """Put the filter over this process and all that comes of it; False where the kernel or the machine has no such.

    It must have given up new privileges before. Kernels before 5.16 would slow a filtered process down, against an
    attack within it (speculative store bypass); what a model might read of itself that way, it may read anyway.
    """
    if MACHINE is None:
        return False
    filter_ = program(MACHINE, network)
    code = ctypes.create_string_buffer(filter_, len(filter_))
    head = ctypes.create_string_buffer(struct.pack("<HxxxxxxQ", len(filter_) // 8, ctypes.addressof(code)), 16)
    try:
        call(SECCOMP, _SET_MODE_FILTER, _SPEC_ALLOW, head)
    except OSError:
        return False
    return True


def program(machine: int, network: bool) -> bytes:
    """The filter for a machine, as bytes: eight an instruction."""
    steps = [
        _load(4),
        _unless(_ARCHITECTURES[machine], 1),
        _refuse(_EPERM),
    ]  # another machine's calls have other numbers
    steps += [_load(0)]
    if machine == 0:
        steps += [(0x35, 0, 1, _X32), _refuse(_ENOSYS)]
    for numbers in DENIED.values():
        number = numbers[machine]
        if number is not None:
            steps += _on(number, _refuse(_EPERM))
    for pair, body in _by_argument(network):
        steps += _on(pair[machine], *body)
    return b"".join(struct.pack("<HBBI", *step) for step in [*steps, (0x06, 0, 0, _ALLOW)])


def _by_argument(network: bool) -> list[tuple[tuple[int, int], list[_Instruction]]]:
    """Calls that depend on what is asked of them. A body ends the filter: by allowing, or by refusing."""
    allow: _Instruction = (0x06, 0, 0, _ALLOW)
    refuse = _refuse(_EPERM)
    families = [step for family in _FAMILIES if network for step in (_if(family, 1), allow)]
    terminal = [step for asked in _TYPING_FOR_OTHERS for step in (_if(asked, 1), refuse)]
    return [
        (_SOCKET, [_argument(0), *families, refuse]),
        # Of a pair, a socket for datagrams could send them to any other that has a path.
        *([] if network else [(_SOCKETPAIR, _pair(allow, refuse))]),
        (_CLONE, [_argument(0), (0x45, 0, 1, _NEW_NAMESPACES), refuse, allow]),
        (_CLONE3, [_refuse(_ENOSYS)]),  # what it asks lies in memory, out of sight; libc takes clone instead
        (_IOCTL, [_argument(1), *terminal, allow]),
        # Its death with the server's is not the model's to call off; others' limits, cores, priorities, not to change.
        (_PRCTL, [_argument(0), _if(_PR_SET_PDEATHSIG, 4), _argument(1), _if(_SIGKILL, 1), allow, refuse, allow]),
        (_PRLIMIT, [_argument(0), _if(0, 1), allow, refuse]),
        (_SETAFFINITY, [_argument(0), _if(0, 1), allow, refuse]),
        (_SETPRIORITY, [_argument(0), _if(_PRIO_USER, 1), refuse, _argument(1), _if(0, 1), allow, refuse]),
    ]


def _pair(allow: _Instruction, refuse: _Instruction) -> list[_Instruction]:
    """Two sockets of this machine, bound to each other for good."""
    kinds = [_argument(1), (0x54, 0, 0, _KIND), _if(_STREAM, 1), allow, _if(_SEQPACKET, 1), allow]
    return [_argument(0), _if(_AF_UNIX, len(kinds)), *kinds, refuse]


def _on(number: int, *body: _Instruction) -> list[_Instruction]:
    return [_if(number, len(body)), *body]


def _load(offset: int) -> _Instruction:
    """A word of `struct seccomp_data`: the number at 0, the architecture at 4."""
    return (0x20, 0, 0, offset)


def _argument(at: int) -> _Instruction:
    """The lower word of an argument, which is all that these calls look at."""
    return _load(16 + 8 * at)


def _if(value: int, otherwise: int) -> _Instruction:
    """Go on where the loaded word is `value`, else skip as many."""
    return (0x15, 0, otherwise, value)


def _unless(value: int, skipped: int) -> _Instruction:
    return (0x15, skipped, 0, value)


def _refuse(error: int) -> _Instruction:
    return (0x06, 0, 0, _ERRNO | error)
