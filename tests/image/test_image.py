"""The image as it is shipped, built by its Dockerfile and run as in production. It builds all that the image has.

`PINION_IMAGE_STORE` names a folder that keeps what was built, for whoever runs it often.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.residue import eventually
from tests.forms import FULL, needs, within
from tests.image.building import ROOT, Buildah, Contained, Container

pytestmark = [
    FULL,
    pytest.mark.timeout(3600),
    needs("buildah", "debootstrap", "nsenter", "ip"),
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to build and to enter images"),
]


@pytest.fixture(scope="module")
def buildah(tmp_path_factory: pytest.TempPathFactory) -> Buildah:
    kept = os.environ.get("PINION_IMAGE_STORE")
    one = Buildah(Path(kept) if kept else tmp_path_factory.mktemp("images"))
    one.root.mkdir(parents=True, exist_ok=True)
    one.base()
    return one


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The repository as anybody has it who clones it."""
    folder = tmp_path_factory.mktemp("context") / "pinion"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(folder)], check=True)
    return folder


@pytest.fixture(scope="module")
def image(buildah: Buildah, clone: Path) -> str:
    buildah.build(clone, "pinion", "--build-arg=REVISION=f00d", "--build-arg=VERSION=1.2.3")
    return "pinion"


@pytest.fixture(scope="module")
def facts(buildah: Buildah, image: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(buildah.run("inspect", "--type", "image", image))["Docker"]
    return found


def environment(facts: dict[str, Any]) -> dict[str, str]:
    return dict(one.split("=", 1) for one in facts["config"]["Env"]) | {"HOME": "/tmp"}


@pytest.fixture(scope="module")
def container(buildah: Buildah, image: str, facts: dict[str, Any]) -> Iterator[Container]:
    with buildah.mounted(image) as root:
        yield Container(root, environment(facts))


@pytest.fixture(scope="module")
def server(container: Container) -> Iterator[Contained]:
    with Contained(container) as one:
        one.ready()
        yield one


def example(name: str) -> str:
    return (ROOT / "docs" / "examples" / f"{name}.json").read_text()


def test_without_a_network_and_read_only_it_serves_the_pinned_models(server: Contained) -> None:
    for name in ("digits", "tumours"):
        assert len(server.ask(f"/models/{name}/predict", example(name))["predictions"]) > 0
    mounts = (Path("/proc") / str(server.pid) / "mounts").read_text().splitlines()
    assert next(line for line in mounts if line.split()[1] == "/").split()[3].startswith("ro")
    assert len((Path("/proc") / str(server.pid) / "net" / "dev").read_text().splitlines()) == 3  # loopback alone


def test_it_and_its_models_run_as_a_user_without_privileges(server: Contained) -> None:
    models = server.ask("/models")["models"]
    for pid in [server.pid, *(one["pid"] for model in models.values() for one in model["workers"])]:
        told = server.inside("cat", f"/proc/{1 if pid == server.pid else pid}/status").stdout
        status = dict(line.split(":\t", 1) for line in told.splitlines() if ":\t" in line)
        assert status["Uid"].split() == ["10001"] * 4
        assert int(status["CapEff"], 16) == int(status["CapBnd"], 16) == 0
        assert status["NoNewPrivs"] == "1"


def test_its_models_are_confined(server: Contained) -> None:
    for model in server.ask("/models")["models"].values():
        assert model["sandbox"]["seccomp"] is True
        assert model["sandbox"]["network"] == "none"
        assert "mount" in model["sandbox"]["namespaces"]


def test_a_worker_that_is_killed_is_replaced(server: Contained) -> None:
    before = server.ask("/models")["models"]["digits"]["workers"][0]["pid"]
    assert server.inside("python", "-I", "-c", f"import os; os.kill({before}, 9)").returncode == 0

    def replaced() -> bool:
        workers = server.ask("/models")["models"]["digits"]["workers"]
        return len(workers) == 1 and workers[0]["pid"] not in (None, before)

    assert eventually(replaced, within(60.0))
    assert server.ask("/models/digits/predict", example("digits"))["predictions"]


def test_its_health_check_holds_while_it_is_ready(server: Contained, facts: dict[str, Any]) -> None:
    kind, *check = facts["config"]["Healthcheck"]["Test"]
    assert kind == "CMD"
    assert server.inside(*check).returncode == 0
    assert server.inside("env", "PINION_HTTP__PORT=1", *check).returncode != 0


def test_told_to_stop_it_ends_well_and_soon(container: Container) -> None:
    with Contained(container) as one:
        one.ready()
        began = time.monotonic()
        assert one.stop() == 0
        assert time.monotonic() - began < within(5.0)


def test_it_says_what_it_is_made_from(facts: dict[str, Any]) -> None:
    labels = facts["config"]["Labels"]
    assert labels["org.opencontainers.image.licenses"] == "Apache-2.0"
    assert labels["org.opencontainers.image.revision"] == "f00d"
    assert labels["org.opencontainers.image.version"] == "1.2.3"
    assert facts["config"]["User"] == "10001:10001"


def test_its_history_is_that_of_git(container: Container) -> None:
    told = subprocess.run(container.command("serve", "history"), capture_output=True, text=True, check=True).stdout
    assert "digits" in told
    assert len([line for line in told.splitlines() if line[:1].isalnum()]) >= 3


def test_the_servers_own_layer_is_small_and_the_sizes_are_told(buildah: Buildah, image: str, tmp_path: Path) -> None:
    buildah.save(image, tmp_path / "image.tar")
    script = [sys.executable, str(ROOT / "deploy" / "image" / "sizes.py"), str(tmp_path / "image.tar")]
    told = subprocess.run(script, capture_output=True, text=True, check=True).stdout
    print(told)  # noqa: T201  # with pytest -s, the figures
    *rows, whole = [line.split(" MiB  ") for line in told.splitlines()]
    assert whole[1] == "in all"
    assert abs(sum(float(size) for size, _ in rows) - float(whole[0])) < 1.0
    ours = [float(size) for size, made in rows if made.startswith("COPY") and "/opt/pinion" in made]
    assert len(ours) == 2  # the packages, and the server itself
    assert ours[1] < 5.0


def test_without_models_inside_it_pulls_what_a_mounted_repository_pins(
    buildah: Buildah, clone: Path, tmp_path: Path
) -> None:
    """From a remote that the operator names, into a volume; it follows the repository as that is brought up to date."""
    buildah.build(clone, "pinion-bare", "--target=bare")
    facts = json.loads(buildah.run("inspect", "--type", "image", "pinion-bare"))["Docker"]
    state = tmp_path / "volume"
    state.mkdir()
    os.chown(state, 10001, 10001)
    told = {name: os.environ[name] for name in ("PIP_FIND_LINKS", "SSL_CERT_FILE") if name in os.environ}
    binds = [(clone, "/srv/pinion", False), (state, "/var/lib/pinion", True)]
    for name in ("/opt/wheels", "/etc/ssl/certs"):
        binds += [(Path(name), name, False)] if Path(name).is_dir() else []
    with buildah.mounted("pinion-bare") as root:
        for _, to, _ in binds:
            (root / to.lstrip("/")).mkdir(parents=True, exist_ok=True)
        ports = {"PINION_HTTP__PORT": "0", "PINION_HTTP__HOST": "127.0.0.1"}
        outside = Container(root, environment(facts) | told | ports, binds, network=True)
        with Contained(outside) as one:
            one.wait("release live", seconds=900.0)
            newest = one.model("digits")["revision"]
            first = subprocess.run(
                ["git", "-C", str(clone), "log", "--format=%H", "--reverse", "--", "models.dvc"],
                capture_output=True,
                text=True,
                check=True,
            ).stdout.split()[0]
            subprocess.run(["git", "-C", str(clone), "checkout", "--quiet", first, "--", "models.dvc"], check=True)
            one.wait("release live", 2, seconds=900.0)
            assert one.model("digits")["revision"] != newest
            assert one.stop() == 0
    subprocess.run(["git", "-C", str(clone), "checkout", "--quiet", "HEAD", "--", "models.dvc"], check=True)


def test_killed_as_engines_kill_it_it_leaves_no_process(container: Container) -> None:
    with Contained(container) as one:
        one.ready()
        family = [one.pid]
        os.kill(one.pid, signal.SIGKILL)
        one.process.wait(30)
        assert eventually(lambda: not any(Path("/proc", str(pid)).exists() for pid in family), within(10.0))
