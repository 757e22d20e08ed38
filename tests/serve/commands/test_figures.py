"""What /metrics says, as figures: since the server began, and between two looks."""

import pytest

from serve.commands.figures import Figures, Stage, between, samples

TEXT = """
# TYPE pinion_requests counter
pinion_requests_total{model="a",revision="1",outcome="ok"} 90.0
pinion_requests_total{model="a",revision="2",outcome="ok"} 10.0
pinion_requests_total{model="a",revision="2",outcome="queue_full"} 4.0
pinion_requests_total{model="",revision="",outcome="too_many_connections"} 7.0
# TYPE pinion_queue_rows gauge
pinion_queue_rows{model="a"} 3.0
pinion_queue_rows{model="b"} 0.0
# TYPE pinion_stage_seconds histogram
pinion_stage_seconds_bucket{model="a",stage="predict",le="0.01"} 50.0
pinion_stage_seconds_bucket{model="a",stage="predict",le="0.1"} 100.0
pinion_stage_seconds_bucket{model="a",stage="predict",le="+Inf"} 100.0
pinion_stage_seconds_bucket{model="a",stage="queue",le="0.01"} 0.0
pinion_stage_seconds_bucket{model="a",stage="queue",le="+Inf"} 0.0
"""
LATER = TEXT.replace('outcome="ok"} 10.0', 'outcome="ok"} 30.0').replace('queue_full"} 4.0', 'queue_full"} 5.0')


def test_of_one_look_all_since_the_server_began_is_told() -> None:
    found = between({}, samples(TEXT), 52.0)
    stages = {"predict": Stage(0.01, pytest.approx(0.0982))}  # type: ignore[arg-type]  # nearly
    assert found == {"a": Figures(104.0, 2.0, {"queue_full": 4.0}, 3.0, stages), "b": Figures()}


def test_between_two_looks_what_happened_in_between_is_told() -> None:
    found = between(samples(TEXT), samples(LATER), 10.0)["a"]
    assert (found.requests, found.rate, dict(found.errors), dict(found.stages)) == (21.0, 2.1, {"queue_full": 1.0}, {})


def test_a_server_that_began_anew_counts_from_nothing() -> None:
    assert between(samples(LATER), samples(TEXT), 10.0)["a"].requests == 14.0


def test_without_metrics_there_are_no_figures() -> None:
    assert between({}, {}, 0.0) == {}


def test_what_is_slower_than_every_bucket_is_told_as_the_last_bound() -> None:
    text = TEXT.replace('le="+Inf"} 100.0', 'le="+Inf"} 300.0')
    assert between({}, samples(text), 1.0)["a"].stages["predict"] == Stage(0.1, 0.1)
