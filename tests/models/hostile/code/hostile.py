"""A model that tries to get out: each row names a way and what to reach by it, and is answered with what came of it.

"denied: …" where the kernel refused, "got: …" where it did not; insist:WAY raises what was refused. A file `on_load.txt`
in the model asks for one at load, as "way target", which fails the load where it is denied.
"""

import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd

LIBC = ctypes.CDLL(None, use_errno=True)
CALLS = {  # by their numbers on x86_64 and on aarch64
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "pidfd_open": (434, 434),
    "pidfd_getfd": (438, 438),
    "unshare": (272, 97),
    "setns": (308, 268),
    "io_uring_setup": (425, 425),
    "bpf": (321, 280),
    "userfaultfd": (323, 282),
    "perf_event_open": (298, 241),
    "add_key": (248, 217),
    "open_by_handle_at": (304, 265),
    "clone": (56, 220),
    "clone3": (435, 435),
    "fsopen": (430, 430),
    "memfd_create": (319, 279),
    "prctl": (157, 167),
    "prlimit64": (302, 261),
    "reboot": (169, 142),
}


def _load_pyfunc(path):
    wanted = Path(path) / "on_load.txt"
    if wanted.is_file():
        way, _, target = wanted.read_text().strip().partition(" ")
        WAYS[way](target)
    return Hostile()


class Hostile:
    def predict(self, frame):
        rows = zip(frame["way"], frame["target"])
        return pd.DataFrame({"came": [attempt(way, target) for way, target in rows]})


def attempt(way, target):
    if way.startswith("insist:"):
        return WAYS[way.removeprefix("insist:")](target)
    try:
        return f"got: {WAYS[way](target)}"
    except OSError as error:
        return f"denied: {error}"


def call(name, *arguments):
    number = CALLS[name][os.uname().machine == "aarch64"]
    passed = [ctypes.c_long(one) if isinstance(one, int) else one for one in arguments]
    result = LIBC.syscall(ctypes.c_long(number), *passed)
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    return result


# Files


def reads(path):
    """read: a file."""
    return Path(path).read_bytes()[:60]


def lists(path):
    """list: a folder."""
    return os.listdir(path)[:5]


def writes(path):
    """write: a file anew."""
    return Path(path).write_text("was here")


def appends(path):
    """append: to a file, which is made writable first, where that is ours to do."""
    try:
        os.chmod(path, 0o644)
    except OSError:
        pass
    with open(path, "a") as file:
        return file.write("was here")


def removes(path):
    """remove: a file."""
    return os.remove(path)


def changes_mode(path):
    """mode: of a file or folder."""
    return os.chmod(path, 0o777)


def dates(path):
    """date: of a file or folder."""
    return os.utime(path, (0, 0))


def links(path):
    """symlink: to a file, from the scratch folder, and read through it."""
    link = Path("link")
    link.unlink(missing_ok=True)
    link.symlink_to(path)
    return link.read_bytes()[:60]


def links_hard(path):
    """hardlink: a file into the scratch folder."""
    return os.link(path, "hardlink")


def goes_round(path):
    """round: by way of the process's own root."""
    return Path("/proc/self/root" + path).read_bytes()[:60]


def makes_device(_):
    """device: the kernel's memory, as a device of our own."""
    return os.mknod("device", 0o600 | 0o020000, os.makedev(1, 1))


def by_handle(_):
    """handle: a file by its handle."""
    return call("open_by_handle_at", -100, ctypes.create_string_buffer(64), 0)


# Other processes


def reads_memory(pid):
    """memory: of a process, as a file."""
    with open(f"/proc/{pid}/mem", "rb") as memory:
        return memory.name


def peeks(pid):
    """peek: into a process's memory."""
    word = ctypes.create_string_buffer(8)
    vector = (ctypes.c_size_t * 2)(ctypes.addressof(word), 8)
    there = (ctypes.c_size_t * 2)(ctypes.addressof(word), 8)
    return call("process_vm_readv", int(pid), vector, 1, there, 1, 0)


def traces(pid):
    """trace: a process."""
    return call("ptrace", 0x4206, int(pid), 0, 0)  # PTRACE_SEIZE, which stops nobody


def takes_descriptor(pid):
    """descriptor: of a process."""
    return call("pidfd_getfd", call("pidfd_open", int(pid), 0), 0, 0)


def signals(pid):
    """signal: a process, with one that does nothing."""
    return os.kill(int(pid), 0)


def limits(pid):
    """limit: a process's descriptors, to what they are."""
    return call("prlimit64", int(pid), 7, 0, ctypes.create_string_buffer(16))


def renices(pid):
    """nice: let a process wait for others."""
    return os.setpriority(os.PRIO_PROCESS, int(pid), 1)


def pins(pid):
    """pin: a process to the first core."""
    return os.sched_setaffinity(int(pid), {min(os.sched_getaffinity(0))})


def survives(_):
    """survive: the server's death."""
    return call("prctl", 1, 0)


def leaves(_):
    """leave: the process group, as daemons do."""
    reading, writing = os.pipe()
    if not os.fork():
        try:
            os.setsid()
            os.write(writing, b"in a session of its own")
        except OSError:
            pass
        os._exit(0)
    os.close(writing)
    os.wait()
    told = os.read(reading, 60)
    os.close(reading)
    if not told:
        raise PermissionError("no session of its own")
    return told


def forks(_):
    """fork: a process that lives on, and tell its pid."""
    pid = os.fork()
    if not pid:
        time.sleep(600)
        os._exit(0)
    return pid


# The network


def connects(port):
    """tcp: connect to a port of this machine."""
    with socket.create_connection(("127.0.0.1", int(port)), timeout=5):
        return "connected"


def sends(port):
    """udp: send to a port of this machine."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        return sender.sendto(b"was here", ("127.0.0.1", int(port)))


def binds(_):
    """bind: a port."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        return listener.getsockname()


def asks_kernel(_):
    """netlink: ask the kernel for its routes."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as one:
        return one.family


def connects_local(address):
    """local: connect to a socket with a path, or with an abstract name behind an @."""
    with socket.socket(socket.AF_UNIX) as one:
        one.settimeout(5)
        one.connect("\0" + address[1:] if address.startswith("@") else address)
        return "connected"


def sends_local(address):
    """datagram: send to a socket with a path, by one of a pair."""
    for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM, socket.SOCK_SEQPACKET):
        try:
            ours, theirs = socket.socketpair(socket.AF_UNIX, kind)
            with ours, theirs:
                ours.connect(address)
                return ours.send(b"was here")
        except OSError as error:
            refused = error
    raise refused


# Privileges, and the kernel


def becomes_root(_):
    """root: become it, or have its capabilities."""
    held = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(("Cap", "NoNew"))]
    if any(line.startswith("Cap") and int(line.split()[1], 16) for line in held) or "NoNewPrivs:\t1" not in held:
        return held
    return os.setgroups([0])


def mounts(_):
    """mount: an empty file system over the scratch folder."""
    if LIBC.mount(b"none", os.getcwd().encode(), b"tmpfs", 0, None) < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return "mounted"


def calls(name):
    """call: a system call that is never needed, with nothing useful."""
    return call(name, 0, 0, 0, 0, 0)


def isolates(_):
    """isolate: into a user namespace, with every capability there."""
    return call("unshare", 0x10000000)


def clones(_):
    """clone: a process in a user namespace."""
    pid = call("clone", 0x10000000 | int(signal.SIGCHLD), 0, 0, 0, 0)
    if not pid:
        os._exit(0)
    return os.waitpid(pid, 0)


def clones_anew(_):
    """clone3: the same, where no filter can see what is asked."""
    asked = (ctypes.c_ulonglong * 11)(0x10000000, 0, 0, 0, int(signal.SIGCHLD))
    pid = call("clone3", asked, 88)
    if not pid:
        os._exit(0)
    return os.waitpid(pid, 0)


def types(_):
    """type: a character into a terminal."""
    leader, follower = os.openpty()
    import fcntl

    fcntl.ioctl(follower, 0x5412, b"x")
    return leader


def runs_written(_):
    """run: a program that was written to the scratch folder."""
    Path("program").write_bytes(Path("/bin/true").read_bytes())
    Path("program").chmod(0o755)
    return subprocess.run(["./program"], check=True).returncode


def runs_from_memory(path):
    """memfd: run a program that is in memory alone, and have it read a file."""
    memory = call("memfd_create", b"program", 0)
    os.write(memory, Path("/bin/cat").resolve().read_bytes())
    done = subprocess.run([f"/proc/self/fd/{memory}", path], pass_fds=[memory], capture_output=True)
    os.close(memory)
    if not done.stdout:
        raise PermissionError(done.stderr.decode())
    return done.stdout


def runs_python(code):
    """python: in another process, through the model's own interpreter."""
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True)
    if done.returncode:
        raise PermissionError(done.stderr.splitlines()[-1])
    return done.stdout


WAYS = {
    "none": lambda _: "nothing",
    "read": reads,
    "list": lists,
    "write": writes,
    "append": appends,
    "remove": removes,
    "mode": changes_mode,
    "date": dates,
    "symlink": links,
    "hardlink": links_hard,
    "round": goes_round,
    "device": makes_device,
    "handle": by_handle,
    "memory": reads_memory,
    "peek": peeks,
    "trace": traces,
    "descriptor": takes_descriptor,
    "signal": signals,
    "limit": limits,
    "nice": renices,
    "pin": pins,
    "survive": survives,
    "leave": leaves,
    "fork": forks,
    "tcp": connects,
    "udp": sends,
    "bind": binds,
    "netlink": asks_kernel,
    "local": connects_local,
    "datagram": sends_local,
    "root": becomes_root,
    "mount": mounts,
    "call": calls,
    "isolate": isolates,
    "clone": clones,
    "clone3": clones_anew,
    "type": types,
    "run": runs_written,
    "memfd": runs_from_memory,
    "python": runs_python,
}
