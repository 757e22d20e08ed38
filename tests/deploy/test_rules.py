"""The deployed rules at their own pace, by promtool: each alert fires when it should, no sooner, and alone.

A story is some series, in promtool's notation, a value every quarter of a minute or, of days, every ten minutes, and
which alerts fire after so long.
"""

import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.deploy.prometheus import CONFIG, RULES, alerts, yaml
from tests.forms import needs

pytestmark = needs("promtool")

HERE = 'job="pinion", instance="a"'
OF_MODEL = f'{HERE}, model="m"'
UP = f"up{{{HERE}}}"
QUARTER, TEN = "15s", "10m"


@dataclass(frozen=True)
class Story:
    """What happens, and when which alerts fire; a value every `interval`."""

    series: Mapping[str, str]
    firing: Mapping[str, Sequence[str]]
    up: str = "1x500"
    interval: str = QUARTER


def requests(ok: str, **others: str) -> dict[str, str]:
    """Counters of requests, that of 'ok' and those by fault."""
    found = {f'pinion_requests_total{{{OF_MODEL}, outcome="ok", fault="none"}}': ok}
    return found | {
        f'pinion_requests_total{{{OF_MODEL}, outcome="{fault}", fault="{fault}"}}': values
        for fault, values in others.items()
    }


def of_model(name: str, values: str, **labels: str) -> dict[str, str]:
    more = "".join(f', {label}="{value}"' for label, value in labels.items())
    return {f"{name}{{{OF_MODEL}{more}}}": values}


def here(**values: str) -> dict[str, str]:
    """Series of the server itself."""
    return {f"{name}{{{HERE}}}": told for name, told in values.items()}


def answered(upper: str) -> dict[str, str]:
    """Answers that all took as long as the bucket `upper` says."""
    status = {"dialect": "predict", "status": "200"}
    return {
        **of_model("pinion_request_seconds_bucket", "0x200", le="0.5", **status),
        **of_model("pinion_request_seconds_bucket", "0+10x200" if upper == "2.5" else "0x200", le="2.5", **status),
        **of_model("pinion_request_seconds_bucket", "0+10x200", le="+Inf", **status),
    }


STORIES = {
    "all is well": Story(
        {
            **requests("0+100x400", caller="0+50x400"),
            **here(
                pinion_ready="1x400",
                pinion_release_pending_timestamp_seconds="0x400",
                pinion_connections="10x400",
                pinion_connections_limit="100x400",
                pinion_build_info="1x400",
                process_open_fds="100x400",
                process_max_fds="1000x400",
                pinion_log_lost_lines_total="3x400",
            ),
            **of_model("pinion_workers", "2x400", state="ready"),
            **of_model("pinion_workers", "0x400", state="dead"),
        },
        {"10m": [], "20m": []},
    ),
    "it is gone": Story({}, {"45s": [], "1m15s": ["PinionDown"]}, up="0x40"),
    "it never was": Story({}, {"4m45s": [], "5m": ["PinionAbsent"]}, up=""),
    "it is not ready": Story(here(pinion_ready="0x40"), {"1m45s": [], "2m": ["PinionNotReady"]}),
    "the model fails one in fifty": Story(
        requests("0+98x600", model="0+2x600"),
        {"1m": [], "3m": ["PinionErrorsHigh"]},
    ),
    "the model failed, and does no more": Story(
        requests("0+100x400", model="0+50x20 1000x380"), {"6m": ["PinionErrorsHigh"], "40m": []}
    ),
    "one in five hundred fails for days": Story(
        requests("0+499x500", server="0+1x500"), {"50m": [], "1d": ["PinionErrorsLasting"]}, interval=TEN
    ),
    "one in two thousand does": Story(requests("0+1999x500", server="0+1x500"), {"1d": []}, interval=TEN),
    "callers err as much as they like": Story(requests("0+10x400", caller="0+1000x400"), {"10m": []}),
    "answers are slow": Story(answered("2.5"), {"9m": [], "11m": ["PinionLatencyHigh"]}),
    "answers are slower than anything": Story(answered("+Inf"), {"11m": ["PinionLatencyHigh"]}),
    "two in a hundred are refused": Story(
        requests("0+98x40", overload="0+2x40"),
        {"4m": ["PinionErrorsHigh"], "6m": ["PinionErrorsHigh", "PinionOverloaded"]},
    ),
    "the queue fills": Story(
        {**of_model("pinion_queue_rows", "90x40"), **here(pinion_queue_limit_rows="100x40")},
        {"1m45s": [], "2m": ["PinionQueueFilling"]},
    ),
    "workers die": Story(
        of_model("pinion_worker_deaths_total", "0 1 2 3 4x100"), {"30s": [], "1m": ["PinionWorkersDying"], "15m": []}
    ),
    "a worker does not come up": Story(
        of_model("pinion_workers", "1x40", state="starting"), {"4m45s": [], "5m": ["PinionWorkersMissing"]}
    ),
    "workers grow": Story(
        of_model("pinion_worker_recycles_total", "0x4 1x40 2x40 3x40 4x400"),
        {"10m": [], "35m": ["PinionWorkersLeaking"]},
    ),
    "a release fails": Story(
        {f'pinion_release_failure{{{HERE}, code="pull_failed"}}': "1x40"}, {"45s": [], "1m": ["PinionReleaseFailed"]}
    ),
    "a release falls back": Story(
        {f'pinion_release_failure{{{HERE}, code="fell_back"}}': "1x40"}, {"0s": ["PinionReleaseFellBack"]}
    ),
    "a release takes for ever": Story(
        here(pinion_release_pending_timestamp_seconds="60x200"), {"30m": [], "32m": ["PinionReleasePending"]}
    ),
    "pulls fail": Story(
        {f'pinion_rollouts_total{{{HERE}, outcome="pull_failed"}}': "0 1 2 3 4x200"},
        {"30s": [], "1m15s": ["PinionPullFailing"], "20m": []},
    ),
    "one server does not follow": Story(
        {
            f'pinion_live_model_info{{job="pinion", instance="{instance}", model="m", revision="{instance}"}}': "1x200"
            for instance in "ab"
        },
        {"14m": [], "15m": ["PinionRevisionsDiffer"]},
    ),
    "memory runs out": Story(
        {
            **of_model("pinion_worker_memory_bytes", "450x40", worker="0"),
            **of_model("pinion_worker_memory_bytes", "450x40", worker="1"),
            **here(process_resident_memory_bytes="50x40", pinion_memory_limit_bytes="1000x40"),
        },
        {"4m45s": [], "5m": ["PinionMemoryHigh"]},
    ),
    "the disk fills": Story(
        here(pinion_state_disk_free_bytes="9x40", pinion_state_disk_size_bytes="100x40"),
        {"4m45s": [], "5m": ["PinionDiskFilling"]},
    ),
    "descriptors run out": Story(
        here(process_open_fds="90x40", process_max_fds="100x40", pinion_build_info="1x40"),
        {"4m45s": [], "5m": ["PinionFilesRunningOut"]},
    ),
    "another's descriptors run out": Story(here(process_open_fds="90x40", process_max_fds="100x40"), {"6m": []}),
    "everybody connects": Story(
        here(pinion_connections="95x40", pinion_connections_limit="100x40"),
        {"1m45s": [], "2m": ["PinionConnectionsFull"]},
    ),
    "the loop lags": Story(
        {
            f'pinion_event_loop_lag_seconds_bucket{{{HERE}, le="{upper}"}}': values
            for upper, values in {"0.1": "0x40", "1.0": "0+30x40", "+Inf": "0+30x40"}.items()
        },
        {"4m": [], "6m": ["PinionLoopLagging"]},
    ),
    "a certificate ends in a month": Story(
        {f'pinion_certificate_expiry_timestamp_seconds{{{HERE}, what="server"}}': f"{30 * 86400}x400"}, {"10m": []}
    ),
    "a certificate ends in a week": Story(
        {f'pinion_certificate_expiry_timestamp_seconds{{{HERE}, what="server"}}': "604800x40"},
        {"0s": ["PinionCertificateExpiring"]},
    ),
    "keys can't be read": Story(
        {f'pinion_access_unreadable{{{HERE}, what="API keys"}}': "1x40"},
        {"4m45s": [], "5m": ["PinionAccessUnreadable"]},
    ),
    "the log loses lines": Story(
        here(pinion_log_lost_lines_total="0 0 1x200"), {"15s": [], "1m": ["PinionLogLinesLost"], "20m": []}
    ),
}  # fmt: skip


def told(story: Story) -> dict[str, object]:
    """A story in promtool's form."""
    series = {**story.series, **({UP: story.up} if story.up else {})}
    return {
        "interval": story.interval,
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "promql_expr_test": [
            {
                "expr": 'count by (alertname) (ALERTS{alertstate="firing"})',
                "eval_time": moment,
                "exp_samples": [{"labels": f'{{alertname="{name}"}}', "value": 1} for name in names],
            }
            for moment, names in story.firing.items()
        ],
    }


@pytest.mark.parametrize("interval", [QUARTER, TEN])
def test_each_alert_fires_when_it_should_and_no_other(interval: str, tmp_path: Path) -> None:
    stories = [told(story) for story in STORIES.values() if story.interval == interval]
    groups = [group["name"] for group in yaml.load(RULES)["groups"]]  # what is recorded first
    written = {
        "rule_files": [str(RULES)],
        "evaluation_interval": interval,
        "group_eval_order": groups,
        "tests": stories,
    }
    (tmp_path / "stories.yml").write_text(json.dumps(written))
    done = subprocess.run(["promtool", "test", "rules", tmp_path / "stories.yml"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_has_a_story_in_which_it_fires_and_one_in_which_it_does_not_yet() -> None:
    fires = {name for story in STORIES.values() for names in story.firing.values() for name in names}
    assert fires == set(alerts())


@pytest.mark.parametrize("command", [("config", CONFIG), ("rules", RULES)], ids=["config", "rules"])
def test_promtool_takes_what_is_deployed(command: tuple[str, Path]) -> None:
    done = subprocess.run(["promtool", "check", *command], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
