"""A real Prometheus with the configuration and the rules of deploy/prometheus, made quicker for tests.

It looks every half second in place of every 15. In the rules each duration (`for`, a range, a bound in seconds) is a
three-hundredth of what it was, and at least the four seconds that a rate needs here: so what takes ten minutes to fire
takes seconds, by the same expressions.
"""

import json
import re
import socket
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from ruamel.yaml import YAML

from tests.chaos.residue import eventually

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
RULES = DEPLOY / "prometheus" / "rules.yml"
CONFIG = DEPLOY / "prometheus" / "prometheus.yml"
INTERVAL = "500ms"
_QUICKER, _LEAST_SECONDS = 300, 4
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}

yaml = YAML(typ="safe")


def rules() -> list[dict[str, Any]]:
    """All rules, as they are deployed."""
    return [rule for group in yaml.load(RULES)["groups"] for rule in group["rules"]]


def alerts() -> dict[str, dict[str, Any]]:
    """The alerts by name."""
    return {rule["alert"]: rule for rule in rules() if "alert" in rule}


def quicker(rule: Mapping[str, Any]) -> dict[str, Any]:
    """The same rule for who can't wait."""
    expr = re.sub(r"\[(\d+)([smhd])\]", lambda found: f"[{_shorter(found[1], found[2])}s]", rule["expr"])
    expr = expr.replace("> 1800", f"> {1800 / _QUICKER:g}")
    return {**rule, "expr": expr, **({"for": "1s"} if "for" in rule else {})}


def _shorter(number: str, unit: str) -> int:
    return max(_LEAST_SECONDS, int(number) * _UNITS[unit] // _QUICKER)


def uncommented(text: str) -> str:
    """The configuration with its variants for keys and TLS in force."""
    return re.sub(r"^    # (?=(authorization|scheme|tls_config|  \w+_file):?)", "    ", text, flags=re.MULTILINE)


@dataclass
class Prometheus:
    """One that runs; servers are watched as soon as they are named."""

    url: str
    targets: Path

    def watch(self, **servers: str) -> None:
        """Scrape these too: the label `instance` of each, and its address."""
        known = json.loads(self.targets.read_text())
        known += [{"targets": [url.split("//")[1]], "labels": {"instance": name}} for name, url in servers.items()]
        fresh = self.targets.with_suffix(".new")
        fresh.write_text(json.dumps(known))
        fresh.replace(self.targets)

    def firing(self, **labels: str) -> list[dict[str, Any]]:
        """The alerts with these labels that fire."""
        found = httpx.get(f"{self.url}/api/v1/alerts").json()["data"]["alerts"]
        return [one for one in found if one["state"] == "firing" and labels.items() <= one["labels"].items()]

    def fires(self, alertname: str, seconds: float = 60.0, **labels: str) -> dict[str, Any]:
        """That alert, once it fires."""
        assert eventually(lambda: bool(self.firing(alertname=alertname, **labels)), seconds), self.firing()
        return self.firing(alertname=alertname, **labels)[0]

    def query(self, expr: str) -> list[dict[str, Any]]:
        """What an expression gives now."""
        told = httpx.post(f"{self.url}/api/v1/query", data={"query": expr}, timeout=10.0).json()
        assert told["status"] == "success", f"{expr}: {told}"
        found: list[dict[str, Any]] = told["data"]["result"]
        return found

    def becomes(self, expr: str, seconds: float = 60.0) -> None:
        """Wait until an expression gives something."""
        assert eventually(lambda: bool(self.query(expr)), seconds), expr


@contextmanager
def prometheus(folder: Path, config: str | None = None) -> Iterator[Prometheus]:
    """One whose files are in `folder`; `config` in place of the deployed one."""
    targets = folder / "targets.json"
    targets.write_text("[]")
    (folder / "rules.yml").write_text(
        json.dumps({"groups": [{"name": "quicker", "rules": [quicker(rule) for rule in rules()]}]})
    )
    asked = yaml.load(config or CONFIG.read_text())
    asked["global"] = {"scrape_interval": INTERVAL, "scrape_timeout": INTERVAL, "evaluation_interval": INTERVAL}
    (job,) = asked["scrape_configs"]
    del job["static_configs"]
    job["file_sd_configs"] = [{"files": [str(targets)]}]
    (folder / "prometheus.yml").write_text(json.dumps(asked))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    command = [
        "prometheus",
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address={address}",
        "--log.level=warn",
    ]
    with subprocess.Popen(command) as process:
        one = Prometheus(f"http://{address}", targets)
        try:
            assert eventually(lambda: _answers(one.url), 60.0)
            yield one
        finally:
            process.kill()


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/-/ready").status_code == 200
    except httpx.HTTPError:
        return False
