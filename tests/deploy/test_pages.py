"""Rules, dashboard, runbook and metrics speak of the same things."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from grafana_foundation_sdk.cog import plugins
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard
from prometheus_client import CollectorRegistry

from serve.metrics import Metrics
from tests.deploy.prometheus import CONFIG, DEPLOY, ROOT, RULES, alerts, rules, uncommented, yaml

RUNBOOK = (ROOT / "docs" / "runbook.md").read_text()
DASHBOARD = DEPLOY / "grafana" / "pinion.json"
SECTIONS = set(re.findall(r"^## (Pinion\w+)$", RUNBOOK, re.MULTILINE))
SUFFIXES = ("", "_total", "_bucket", "_sum", "_count")


def declared() -> Iterator[str]:
    """Every name that a series of ours may have."""
    for one in Metrics(CollectorRegistry()).declared:
        for family in one.describe():  # type: ignore[attr-defined]
            yield from (family.name + suffix for suffix in SUFFIXES)


def panels() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(DASHBOARD.read_text())["panels"]
    return found


def test_each_alert_has_a_section_in_the_runbook_and_each_section_an_alert() -> None:
    assert set(alerts()) == SECTIONS
    for name, alert in alerts().items():
        assert alert["annotations"]["runbook"] == f"docs/runbook.md#{name.lower()}"


def test_each_alert_says_how_urgent_it_is_and_what_is_wrong() -> None:
    for name, alert in alerts().items():
        assert alert["labels"]["severity"] in {"critical", "warning"}, name
        assert all(alert["annotations"][part] for part in ("summary", "description")), name


@pytest.mark.parametrize("page", [RULES, DASHBOARD, ROOT / "docs" / "runbook.md"], ids=lambda page: page.name)
def test_every_metric_that_is_asked_for_is_one(page: Any) -> None:
    asked = set(re.findall(r"(?<![:\w])pinion_[a-z_]+", page.read_text()))
    assert asked
    assert asked <= set(declared())


def test_what_the_runbook_looks_for_in_the_log_is_written_there() -> None:
    code = "".join(path.read_text() for path in (ROOT / "serve").rglob("*.py"))
    written = set(re.findall(r'log\.\w+\(\s*"([\w\' ]+)', code)) | set(re.findall(r'"(signature \w+|sandbox)"', code))
    for event in ("worker died", "worker frozen", "worker can't be replaced", "predict failed", "rollout failed",
                  "pulled", "verified", "warm", "access unreadable", "issuer unreachable"):  # fmt: skip
        assert f"`{event}`" in RUNBOOK
        assert event in written


def test_every_link_and_setting_of_the_runbook_leads_somewhere() -> None:
    headings = {_anchor(told) for told in re.findall(r"^## (.+)$", RUNBOOK, re.MULTILINE)}
    assert set(re.findall(r"\]\(#([\w-]+)\)", RUNBOOK)) <= headings
    for page, anchor in re.findall(r"\]\(([\w./-]+\.\w+)(?:#([\w-]+))?\)", RUNBOOK):
        text = (ROOT / "docs" / page).read_text()
        assert not anchor or anchor in {_anchor(told) for told in re.findall(r"^#+ (.+)$", text, re.MULTILINE)}, page
    settings = (ROOT / "docs" / "settings.md").read_text()
    for name in set(re.findall(r"PINION_[A-Z_]+[A-Z]", RUNBOOK)):
        assert f"`{name}`" in settings, name


def _anchor(heading: str) -> str:
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


def test_the_dashboard_is_made_from_its_panels() -> None:
    made = subprocess.run(
        [sys.executable, DEPLOY / "grafana" / "source" / "generate.py"], capture_output=True, text=True, check=True
    )
    assert DASHBOARD.read_text() == made.stdout, "run make docs"


def test_grafana_s_own_model_of_a_dashboard_knows_all_that_is_in_it() -> None:
    """What it does not know is Prometheus' part of an annotation, and the text of a variable's query."""
    plugins.register_default_plugins()
    ours = json.loads(DASHBOARD.read_text())
    theirs = json.loads(json.dumps(Dashboard.from_json(ours), cls=JSONEncoder))
    known = {"expr", "step", "titleFormat", "useValueForTime", "definition"}
    assert {path for path in _lost(ours, theirs) if path.rpartition(".")[2] not in known} == set()


def _lost(ours: Any, theirs: Any, path: str = "") -> Iterator[str]:
    """Where the one has what the other has not."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for key, value in ours.items():
            yield from _lost(value, theirs.get(key, Ellipsis), f"{path}.{key}")
    elif isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        for at, pair in enumerate(zip(ours, theirs, strict=True)):
            yield from _lost(*pair, f"{path}[{at}]")
    elif ours != theirs:
        yield path


def test_no_two_panels_have_one_number_or_one_place() -> None:
    taken: dict[tuple[int, int], str] = {}
    for one in panels():
        place = one["gridPos"]
        assert 0 <= place["x"] < place["x"] + place["w"] <= 24, one["title"]
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                assert taken.setdefault((x, y), one["title"]) == one["title"]
    assert len({one["id"] for one in panels()}) == len(panels())


def test_each_panel_asks_the_chosen_prometheus_and_says_what_it_is_for() -> None:
    source = {"type": "prometheus", "uid": "${datasource}"}
    for one in panels():
        if one["type"] == "row":
            continue
        assert one["description"], one["title"]
        assert one["targets"], one["title"]
        assert [target["datasource"] for target in one["targets"]] == [source] * len(one["targets"])
        assert len({target["refId"] for target in one["targets"]}) == len(one["targets"])
        assert all("$job" in target["expr"] and "$instance" in target["expr"] for target in one["targets"])
        calculations = re.findall(r"\$\{?(\w+)", "".join(target["expr"] for target in one["targets"]))
        assert set(calculations) <= {"job", "instance", "model", "__rate_interval", "__range"}


def test_provisioning_finds_the_dashboard_and_names_a_prometheus() -> None:
    folder = DEPLOY / "grafana" / "provisioning"
    (provider,) = yaml.load(folder / "dashboards" / "pinion.yaml")["providers"]
    assert (provider["type"], provider["options"]["path"]) == ("file", "/var/lib/grafana/dashboards")
    (source,) = yaml.load(folder / "datasources" / "prometheus.yaml")["datasources"]
    assert (source["type"], source["access"], source["isDefault"]) == ("prometheus", "proxy", True)


def test_the_variants_for_keys_and_tls_are_yaml_once_they_are_uncommented() -> None:
    (job,) = yaml.load(uncommented(CONFIG.read_text()))["scrape_configs"]
    assert job["authorization"] == {"credentials_file": "/etc/prometheus/pinion.token"}
    assert (job["scheme"], set(job["tls_config"])) == ("https", {"ca_file", "cert_file", "key_file"})


def test_alerts_on_the_objective_are_recorded_over_each_window_they_ask_for() -> None:
    recorded = {rule["record"] for rule in rules() if "record" in rule}
    asked = {one for rule in rules() for one in re.findall(r"job\w*:[\w:]+", rule["expr"])}
    assert asked <= recorded
