"""Servers of others, as they are: an SSH server, S3 (moto's, with its keys asked for), PostgreSQL, MLflow's.

Each is a block, listens on loopback on a free port, keeps what it writes in the folder it is given, and ends with its
block.
"""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_SECONDS = 90.0


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@contextlib.contextmanager
def running(command: Sequence[str | Path], port: int, log: Path, **options: object) -> Iterator[None]:
    """A server, from when it takes connections on `port`."""
    with log.open("wb") as file:
        process = subprocess.Popen(command, stdout=file, stderr=file, **options)  # type: ignore[call-overload]
    try:
        deadline = time.monotonic() + _SECONDS
        while not _answers(port):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _answers(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1.0):
        return True
    return False


@dataclass(frozen=True)
class Ssh:
    """An SSH server; `home` is that of a user who knows it and has a key that it lets in."""

    port: int
    home: Path
    host_key: Path

    def url(self, folder: Path) -> str:
        return f"ssh://root@127.0.0.1:{self.port}{folder}"

    @property
    def known_hosts(self) -> Path:
        return self.home / ".ssh" / "known_hosts"


def key(path: Path) -> Path:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], check=True)
    return path


@contextlib.contextmanager
def sshd(folder: Path) -> Iterator[Ssh]:
    home, port = folder / "home", free_port()
    (home / ".ssh").mkdir(parents=True)
    host_key, user_key = key(folder / "host_key"), key(home / ".ssh" / "id_ed25519")
    public = " ".join(Path(f"{host_key}.pub").read_text().split()[:2])
    (home / ".ssh" / "known_hosts").write_text(f"[127.0.0.1]:{port} {public}\n")
    shutil.copy(f"{user_key}.pub", folder / "authorized_keys")
    settings = {
        "ListenAddress": f"127.0.0.1:{port}",
        "HostKey": host_key,
        "AuthorizedKeysFile": folder / "authorized_keys",
        "PidFile": "none",
        "StrictModes": "no",
        "UsePAM": "no",
        "PasswordAuthentication": "no",
        "PermitRootLogin": "prohibit-password",
        "Subsystem": "sftp internal-sftp",
    }
    (folder / "sshd_config").write_text("".join(f"{name} {value}\n" for name, value in settings.items()))
    Path("/run/sshd").mkdir(exist_ok=True)
    program = shutil.which("sshd") or "/usr/sbin/sshd"
    with running([program, "-D", "-e", "-f", folder / "sshd_config"], port, folder / "sshd.log"):
        yield Ssh(port, home, host_key)


@dataclass(frozen=True)
class S3:
    """An S3 server with one bucket, `models`: who has `credentials` may do all, who has `readers` may read there."""

    endpoint: str
    credentials: Mapping[str, str]
    readers: Mapping[str, str]


@contextlib.contextmanager
def s3(folder: Path) -> Iterator[S3]:
    import boto3

    port = free_port()
    endpoint = f"http://127.0.0.1:{port}"
    # Moto asks nobody for keys until it has taken so many requests: those below that make the user and the bucket.
    environment = {**os.environ, "INITIAL_NO_AUTH_ACTION_COUNT": "7"}
    server = Path(sys.executable).with_name("moto_server")
    with running([server, "-H", "127.0.0.1", "-p", str(port)], port, folder / "moto.log", env=environment):
        first = {"region_name": "us-east-1", "aws_access_key_id": "first", "aws_secret_access_key": "first"}
        iam = boto3.client("iam", endpoint_url=endpoint, **first)
        reading = [("s3:GetObject", "arn:aws:s3:::models/pinion/*"), ("s3:ListBucket", "arn:aws:s3:::models")]
        all_of_it, readers = (_keys(iam, name, may) for name, may in (("author", [("s3:*", "*")]), ("server", reading)))
        boto3.client("s3", endpoint_url=endpoint, **first).create_bucket(Bucket="models")
        where = {"AWS_DEFAULT_REGION": "us-east-1", "AWS_ENDPOINT_URL": endpoint}
        yield S3(endpoint, {**all_of_it, **where}, {**readers, **where})


def _keys(iam: Any, name: str, may: Sequence[tuple[str, str]]) -> dict[str, str]:
    """The keys of a new user who may do this with that."""
    iam.create_user(UserName=name)
    granted = [{"Effect": "Allow", "Action": action, "Resource": resource} for action, resource in may]
    document = json.dumps({"Version": "2012-10-17", "Statement": granted})
    iam.put_user_policy(UserName=name, PolicyName="granted", PolicyDocument=document)
    made = iam.create_access_key(UserName=name)["AccessKey"]
    return {"AWS_ACCESS_KEY_ID": made["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": made["SecretAccessKey"]}


def postgres_programs() -> Path | None:
    """Where Debian, or whoever installed it, has PostgreSQL's programs."""
    found = shutil.which("initdb")
    if found is not None:
        return Path(os.path.realpath(found)).parent
    return next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)), None)


@contextlib.contextmanager
def postgres(folder: Path) -> Iterator[str]:
    """A database of its own → its URL for SQLAlchemy. It will not be run by root: then it is by nobody."""
    programs, port, data = postgres_programs(), free_port(), folder / "data"
    assert programs is not None
    as_user: list[str] = []
    if os.geteuid() == 0:
        for one in (folder, *folder.parents):
            if one.stat().st_mode & 0o001 == 0:
                one.chmod(one.stat().st_mode | 0o011)
        os.chown(folder, 65534, 65534)
        as_user = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    made = [*as_user, programs / "initdb", "-D", data, "-U", "mlflow", "--auth=trust", "--no-sync"]
    subprocess.run(made, check=True, capture_output=True, cwd=folder)
    options = ["-h", "127.0.0.1", "-p", str(port), "-k", folder, "-c", "fsync=off"]
    with running([*as_user, programs / "postgres", "-D", data, *options], port, folder.parent / "postgres.log"):
        at = ["-h", "127.0.0.1", "-p", str(port), "-U", "mlflow"]
        deadline = time.monotonic() + _SECONDS  # it takes connections before it takes orders
        while subprocess.run([programs / "createdb", *at, "mlflow"], capture_output=True, cwd="/").returncode:
            assert time.monotonic() < deadline, (folder.parent / "postgres.log").read_text()
            time.sleep(0.1)
        yield f"postgresql+psycopg2://mlflow@127.0.0.1:{port}/mlflow"


@contextlib.contextmanager
def mlflow_server(folder: Path, arguments: Sequence[str]) -> Iterator[str]:
    """`mlflow server` with these arguments → its URL, once it says that it is well."""
    port = free_port()
    command = [Path(sys.executable).with_name("mlflow"), "server", "--host", "127.0.0.1", "--port", str(port)]
    with running([*command, *arguments], port, folder / "mlflow.log", cwd=folder):
        url, deadline = f"http://127.0.0.1:{port}", time.monotonic() + _SECONDS
        while not _well(f"{url}/health"):
            assert time.monotonic() < deadline, (folder / "mlflow.log").read_text()
            time.sleep(0.1)
        yield url


def _well(url: str) -> bool:
    with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=2.0) as answer:
        return bool(answer.status == 200)
    return False
