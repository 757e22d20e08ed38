"""The kinds of metrics of our own, and whose fault each outcome is."""

from collections.abc import Iterable

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import Metric

from serve.app import make_metrics
from serve.errors import RequestRejected, RolloutFailed, ServeError, fault, outcome
from serve.metrics import Metrics
from serve.metrics.collectors import Counted, Read, Requests, Timings


def samples(families: Iterable[Metric]) -> dict[str, float]:
    """The samples by name and labels' values."""
    return {"/".join((one.name, *one.labels.values())): one.value for family in families for one in family.samples}


def test_a_time_counts_in_its_bucket_and_in_all_larger_ones() -> None:
    timings = Timings("took_seconds", "Told.", ("model",))
    for seconds in (0.001, 0.3, 99.0):
        timings.series("a").observe(seconds)
    found = samples(timings.collect())
    assert [found[f"took_seconds_bucket/a/{bound}"] for bound in ("0.0005", "0.001", "0.25", "0.5", "+Inf")] == [
        0, 1, 1, 2, 3,
    ]  # fmt: skip
    assert (found["took_seconds_count/a"], found["took_seconds_sum/a"]) == (3, 99.301)


def test_of_a_release_that_is_expected_the_counter_begins_at_0() -> None:
    requests = Requests("asked", "Told.")
    requests.expect("a", "1")
    assert samples(requests.collect()) == {"asked_total/a/1/ok/": 0}
    requests.count("a", "1", "ok")
    requests.expect("a", "1")
    assert samples(requests.collect()) == {"asked_total/a/1/ok/": 1}


def test_however_many_revisions_a_model_has_had_the_newest_are_counted_apart() -> None:
    requests = Requests("asked", "Told.")
    for revision in range(1000):
        requests.count("a", str(revision), "ok")
        requests.count("b", "1", "ok")
    found = samples(requests.collect())
    assert len(found) == 33
    assert (found["asked_total/a/999/ok/"], found["asked_total/b/1/ok/"]) == (1, 1000)


def test_what_several_know_of_a_series_is_joined_and_who_left_is_asked_no_more() -> None:
    def one() -> list[tuple[tuple[str, ...], float]]:
        return [(("a",), 1.0), (("b",), 5.0)]

    rows, wait = Read("rows", "Told.", ("model",)), Read("wait", "Told.", ("model",), whole=max)
    for read in (rows, wait):
        read.add(one)
        read.add(lambda: [(("a",), 2.0)])
    assert samples(rows.collect()) == {"rows/a": 3, "rows/b": 5}
    assert samples(wait.collect()) == {"wait/a": 2, "wait/b": 5}
    rows.remove(one)
    rows.remove(one)
    assert samples(rows.collect()) == {"rows/a": 2}


def test_a_counter_that_others_keep_is_one() -> None:
    lines = Counted("lines", "Told.")
    assert samples(lines.collect()) == {}
    lines.tell(lambda: 3)
    assert samples(lines.collect()) == {"lines_total": 3}


def test_every_metric_is_declared_and_has_help_before_it_has_a_series() -> None:
    metrics = Metrics(CollectorRegistry())
    text = generate_latest(metrics.registry).decode()
    assert text.count("# HELP pinion_") == text.count("# TYPE pinion_") >= len(metrics.declared)
    names = [family.name for one in metrics.declared for family in one.describe()]  # type: ignore[attr-defined]
    assert len(set(names)) == len(names)


def test_the_log_s_lost_lines_and_the_process_are_told_of() -> None:
    text = generate_latest(make_metrics().registry).decode()
    assert "\npinion_log_lost_lines_total " in text
    assert "\nprocess_open_fds " in text


@pytest.mark.parametrize(
    ("told", "whose"),
    [
        ("ok", "none"),
        ("cancelled", "caller"),
        ("invalid_inputs", "caller"),
        ("too_deep", "caller"),
        ("unauthenticated", "caller"),
        ("read_too_slowly", "caller"),
        ("queue_full", "overload"),
        ("wait_too_long", "overload"),
        ("deadline_exceeded", "overload"),
        ("too_many_connections", "overload"),
        ("predict_failed", "model"),
        ("worker_died", "model"),
        ("worker_crashed", "model"),
        ("not_ready", "server"),
        ("internal_error", "server"),
        ("never heard of", "server"),
    ],
)
def test_each_outcome_tells_whose_fault_it_is(told: str, whose: str) -> None:
    assert fault(told) == whose


def test_the_fault_of_every_error_that_a_caller_can_get_is_in_the_table() -> None:
    def codes(kind: type[ServeError]) -> Iterable[str]:
        yield kind.code
        for one in kind.__subclasses__():
            yield from codes(one)

    assert {fault(code) for code in codes(RequestRejected) if code != ServeError.code} == {"caller"}
    assert {fault(code) for code in codes(RolloutFailed)} == {"server"}  # never a caller's


def test_what_is_no_error_of_ours_and_no_caller_who_left_is_a_fault_of_ours() -> None:
    assert outcome(ZeroDivisionError("hunter2")) == "internal_error"
