"""deploy/compose.yaml is one that Compose takes, and all that it mounts and names is there."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from serve.settings import Settings
from tests.forms import FULL

DEPLOY = Path(__file__).parents[2] / "deploy"
COMPOSE = DEPLOY / "compose.yaml"


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    found: dict[str, Any] = YAML(typ="safe").load(COMPOSE)["services"]
    return found


def composing() -> list[str]:
    """Compose, as this machine has it: by itself, or docker's."""
    if shutil.which("docker-compose"):
        return ["docker-compose"]
    docker = shutil.which("docker")
    if docker and subprocess.run([docker, "compose", "version"], capture_output=True).returncode == 0:
        return [docker, "compose"]
    pytest.skip("needs docker-compose")


@FULL
def test_compose_takes_it() -> None:
    done = subprocess.run([*composing(), "-f", str(COMPOSE), "config", "--quiet"], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_what_it_mounts_of_the_repository_is_there(services: dict[str, Any]) -> None:
    mounted = [volume for service in services.values() for volume in service.get("volumes", ())]
    sources = [volume.split(":")[0] for volume in mounted if volume.startswith(".")]
    assert len(sources) == 4
    assert [one for one in sources if not (DEPLOY / one).exists()] == []


def test_the_settings_it_gives_are_pinions(services: dict[str, Any]) -> None:
    given = [one for one in services["pinion"]["environment"] if one.startswith("PINION_")]
    groups = {name: type(field.default) for name, field in Settings.model_fields.items()}
    for one in given:
        group, name = one.removeprefix("PINION_").lower().split("__")
        assert name in groups[group].model_fields, one


def test_pinion_runs_there_as_strictly_as_it_may(services: dict[str, Any]) -> None:
    pinion = services["pinion"]
    assert pinion["read_only"] is True
    assert pinion["cap_drop"] == ["ALL"]
    assert pinion["security_opt"] == ["no-new-privileges"]
    assert pinion["build"]["target"] == "bare"


def test_nothing_is_reached_from_elsewhere_unless_asked(services: dict[str, Any]) -> None:
    ports = [port for service in services.values() for port in service.get("ports", ())]
    assert ports
    assert [one for one in ports if not one.startswith("${ADDRESS:-127.0.0.1}:")] == []


def test_its_prometheus_asks_the_control_port_and_has_the_rules(services: dict[str, Any]) -> None:
    told = YAML(typ="safe").load(DEPLOY / "compose" / "prometheus.yml")
    port = services["pinion"]["environment"]["PINION_HTTP__CONTROL_PORT"]
    assert told["scrape_configs"][0]["static_configs"][0]["targets"] == [f"pinion:{port}"]
    mounted = {one.split(":")[1] for one in services["prometheus"]["volumes"]}
    assert {f"/etc/prometheus/{one}" for one in told["rule_files"]} <= mounted
