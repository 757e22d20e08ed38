"""The places that a confined process may use, as (path, grant): what every process needs of a Linux system, and
what an interpreter brings. Only looks at the disk; what is not there is left out later.

A grant is "run" (read and execute), "read", "list" (names alone), "write" (all but execute) or "device" (read, write,
ioctl), each for all that is below.
"""

import glob
import os
from pathlib import Path

Rule = tuple[str, str]

# Below a prefix, what is installed there, and nothing that somebody put beside it.
_INSTALLED = ("bin", "sbin", "lib", "lib32", "lib64", "libexec", "include", "share", "ssl", "cuda")
_PREFIXES = ("/", "/usr", "/usr/local")

_OF_ETC = (
    *("ld.so.cache", "ld.so.conf", "ld.so.conf.d", "alternatives", "os-release", "debian_version"),
    *("localtime", "timezone", "locale.alias", "mime.types", "fonts", "OpenCL"),
    *("passwd", "group", "nsswitch.conf", "hosts", "host.conf", "resolv.conf", "gai.conf", "services", "protocols"),
    *("ca-certificates.conf", "ssl/certs", "ssl/openssl.cnf", "pki/tls/certs", "pki/tls/cert.pem", "pki/ca-trust"),
)
# The process's own entry, which it opens itself, and the machine's facts.
_OF_PROC = (
    "self",
    "cpuinfo",
    "meminfo",
    "stat",
    "version",
    "uptime",
    "loadavg",
    "filesystems",
    "vmstat",
    "devices",
    "sys",
)
_OF_SYS = ("devices/system", "fs/cgroup", "kernel/mm")
_OF_DEV = ("null", "zero", "full", "random", "urandom")
_ACCELERATORS = ("/dev/nvidia*", "/dev/dri", "/dev/kfd")


def system(devices: bool) -> list[Rule]:
    """What every process needs, and the accelerators with all that tells of them where `devices`."""
    rules = [rule for prefix in _PREFIXES for rule in _installed(Path(prefix))]
    rules += [(f"/etc/{name}", "read") for name in _OF_ETC]
    rules += [(f"/proc/{name}", "read") for name in _OF_PROC]
    rules += [(f"/sys/{name}", "read") for name in _OF_SYS]
    rules += [(f"/dev/{name}", "device") for name in _OF_DEV]
    found = [path for pattern in _ACCELERATORS for path in glob.glob(pattern)]
    if devices and found:
        rules += [*((path, "device") for path in found), ("/sys", "read"), ("/proc/driver", "read")]
    return rules


def interpreter(python: Path) -> list[Rule]:
    """The environment that `python` is in, whole where it is a virtual one, and the installation it was made from."""
    folder = python.parent.parent
    made_from = Path(os.path.realpath(python)).parent.parent
    configuration = folder / "pyvenv.cfg"
    if not configuration.is_file():
        return [*_installed(folder), *_installed(made_from)]
    lines = [line.partition("=") for line in configuration.read_text(encoding="utf-8").splitlines()]
    homes = [Path(value.strip()).parent for key, _, value in lines if key.strip() == "home"]
    return [(str(folder), "run"), *(rule for place in (*homes, made_from) for rule in _installed(place))]


def _installed(prefix: Path) -> list[Rule]:
    return [(str(prefix / name), "run") for name in _INSTALLED]
