"""Every query of the dashboard, asked of a real Prometheus, gives data: it watches a real server, with keys and TLS,
that was given requests of every kind, deaths of workers, a release that fails for a while, and a rollback."""

import json
import math
import os
import signal
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.certificates import Authority
from tests.chaos.conftest import copied
from tests.chaos.residue import eventually
from tests.deploy.conftest import forget, unreachable
from tests.deploy.prometheus import CONFIG, DEPLOY, Prometheus, prometheus, uncommented
from tests.e2e.conftest import Repository
from tests.e2e.guarded import new_key
from tests.e2e.server import Server
from tests.forms import FULL, needs

DASHBOARD: dict[str, Any] = json.loads((DEPLOY / "grafana" / "pinion.json").read_text())
CHOSEN = {"$job": "pinion", "$instance": ".*", "$model": ".*", "$__rate_interval": "5m", "$__range": "5m"}
QUERIES = {
    **{
        f"{panel['title']}, {target['refId']}": target["expr"]
        for panel in DASHBOARD["panels"]
        for target in panel.get("targets", ())
    },
    **{one["name"]: one["expr"] for one in DASHBOARD["annotations"]["list"]},
}

pytestmark = [FULL, needs("prometheus"), pytest.mark.timeout(600)]


class Guarded:
    """Who may ask a server for everything, with a certificate and a key."""

    def __init__(self, server: Server, folder: Path, token: str, ours: Authority) -> None:
        self.server = server
        trusted = ssl.create_default_context(cadata=ours.pem.decode())
        trusted.load_cert_chain(folder / "prometheus.crt", folder / "prometheus.key")
        bearer = {"authorization": f"Bearer {token}"}
        self.client = httpx.Client(base_url=server.url, verify=trusted, headers=bearer, timeout=60.0)

    def ask(self, fault: str = "nap:0", path: str = "/predict", **headers: str) -> int:
        body = {"inputs": {"x": [1.0], "fault": [fault]}}
        return self.client.post(path, json=body, headers=headers).status_code

    def pids(self) -> list[int]:
        found = self.client.get("/models").json()["models"]["oracle"]["workers"]
        return [one["pid"] for one in found]

    def round(self) -> None:
        """Requests of every kind, and a death."""
        for _ in range(5):
            assert self.ask() == 200
        assert self.ask(path="/invocations") == 200
        assert self.ask("raise") == 500
        assert self.ask(path="/models/nobody/predict") == 404
        with httpx.Client() as nobody, pytest.raises(httpx.ConnectError):
            nobody.get(self.server.url)
        os.kill(self.pids()[0], signal.SIGKILL)
        assert self.ask("nap:1", **{"X-Request-Timeout": "0.2"}) == 504
        assert self.ask("nap:0", **{"X-Request-Timeout": "0.2"}) in (200, 429, 504)


@contextmanager
def guarded(folder: Path, repository: Repository) -> Iterator[tuple[Guarded, Prometheus]]:
    """A server that asks for keys and certificates, and a Prometheus that has them, by the configuration's variants."""
    keys, ours, theirs = folder / "keys.txt", Authority(), Authority("clients")
    certificate, key = ours.issue("server").write(folder, "server")
    theirs.issue("prometheus").write(folder, "prometheus")
    token = new_key(keys, "admin", "admin")
    (folder / "pinion-ca.crt").write_bytes(ours.pem)
    (folder / "ca.crt").write_bytes(theirs.pem)
    (folder / "pinion.token").write_text(new_key(keys, "prometheus", "metrics"))
    config = uncommented(CONFIG.read_text()).replace("/etc/prometheus/", f"{folder}/")
    settings = {
        "auth__keys": keys,
        "http__tls_certificate": certificate,
        "http__tls_key": key,
        "http__tls_client_ca": folder / "ca.crt",
        "rollout__hold_seconds": 0,
        "rollout__first_retry_seconds": 0.5,
        "rollout__longest_retry_seconds": 0.5,
    }
    with Server(repository.folder, repository.state, **settings).ready() as server, prometheus(folder, config) as one:
        one.watch(guarded=server.url)
        one.becomes('up{instance="guarded"} == 1')
        asked = Guarded(server, folder, token, ours)
        with asked.client:
            yield asked, one


@pytest.fixture(scope="module")
def watched(promoted: Repository, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """What all the queries are asked of."""
    folder = tmp_path_factory.mktemp("guarded")
    repository = copied(promoted, folder / "served")
    forget(repository)
    with guarded(folder, repository) as (asked, one):
        for number in (1, 2):  # twice: what a counter begins with is no increase
            asked.round()
            one.becomes(f'pinion_requests_total{{outcome="predict_failed"}} >= {number}')
            one.becomes(f"pinion_worker_deaths_total >= {number}")
        with unreachable(repository):
            repository.checkout(0)
            one.becomes('pinion_rollouts_total{outcome="pull_failed"} >= 2 and on () pinion_release_failure == 1')
        asked.server.wait("release live", count=2)
        assert eventually(lambda: asked.ask() == 200)
        asked.round()
        one.becomes("pinion_release_pending_timestamp_seconds == 0")
        one.becomes('sum(pinion_requests_total{outcome="predict_failed"}) >= 3')
        one.becomes("pinion_requests_in_flight == 0")
        yield one


def chosen(expr: str) -> str:
    """The query as Grafana would ask it."""
    for variable, value in CHOSEN.items():
        expr = expr.replace(variable, value)
    return expr


@pytest.mark.parametrize("name", QUERIES)
def test_each_query_of_the_dashboard_gives_numbers(watched: Prometheus, name: str) -> None:
    found = watched.query(chosen(QUERIES[name]))
    values = [float(one["value"][1]) for one in found]
    assert values, chosen(QUERIES[name])
    assert not all(map(math.isnan, values)), found


@pytest.mark.parametrize("name", ["job", "instance", "model"])
def test_each_variable_finds_what_there_is(watched: Prometheus, name: str) -> None:
    (variable,) = [one for one in DASHBOARD["templating"]["list"] if one["name"] == name]
    metric, label = variable["definition"].removeprefix("label_values(").removesuffix(")").rsplit(", ", 1)
    found = {one["metric"][label] for one in watched.query(chosen(metric))}
    assert found == {{"job": "pinion", "instance": "guarded", "model": "oracle"}[name]}


def test_the_live_table_names_the_revision_that_git_says(watched: Prometheus, promoted: Repository) -> None:
    (live,) = watched.query(chosen(QUERIES["Live, A"]))
    assert live["metric"]["revision"] == promoted.revisions[0]
