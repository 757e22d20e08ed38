import pytest

from serve.errors import NotAcceptable
from serve.front.formats import ARROW, CSV, JSON, NPY, PARQUET, WRITERS, accepted
from serve.front.formats.accept import choose


@pytest.mark.parametrize(
    ("header", "kind"),
    [
        ("", JSON),
        (" ", JSON),
        ("*/*", JSON),
        ("application/*", JSON),
        ("text/*", CSV),
        ("text/csv", CSV),
        ("TEXT/CSV; charset=utf-8", CSV),
        (PARQUET, PARQUET),
        (ARROW, ARROW),
        (NPY, NPY),
        ("text/csv, */*", CSV),
        ("*/*, text/csv", CSV),
        ("text/csv;q=0.5, application/json;q=0.4", CSV),
        ("text/csv;q=0.4, application/json;q=0.5", JSON),
        ("text/csv; header=present; q=0.3, application/json; q=0.2", CSV),
        ("application/x-npy;q=0.9, application/json;q=0.9", JSON),
        ("application/json;q=0, */*", CSV),
        ("*/*;q=0.1, text/csv;q=0.05", JSON),
        ("text/csv;q=0, text/*;q=0.5, application/x-npy;q=0.1", NPY),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", JSON),
        ("text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2", JSON),
        ("nonsense, text/csv", CSV),
    ],
)
def test_the_answer_comes_in_what_the_caller_wants_most(header: str, kind: str) -> None:
    assert accepted(header) == kind


@pytest.mark.parametrize(
    "header", ["image/png", "nonsense", "text/csv;q=0", "*/*;q=0", "application/json-seq", ",", ";"]
)
def test_what_can_not_be_given_is_refused_with_what_can(header: str) -> None:
    with pytest.raises(NotAcceptable) as caught:
        accepted(header)
    assert all(kind in caught.value.message for kind in WRITERS)


def test_other_types_can_be_chosen_from() -> None:
    assert choose("text/event-stream", ("application/json", "text/event-stream")) == "text/event-stream"


@pytest.mark.parametrize(
    "header", ["a" * 100_000, "a/" * 50_000, "text/csv;" * 20_000, "*/*," * 20_000, ";q=0" * 20_000]
)
def test_a_header_of_any_length_is_read_in_no_time(header: str) -> None:
    try:
        accepted(header)
    except NotAcceptable as refusal:
        assert len(refusal.message) < 300  # noqa: PT017 (any header: chosen, or refused in a sentence)


def test_of_a_header_that_does_not_end_the_beginning_counts() -> None:
    ranges = ["a/b"] * 63
    assert choose(", ".join([*ranges, "text/csv"]), tuple(WRITERS)) == "text/csv"
    with pytest.raises(NotAcceptable):
        choose(", ".join([*ranges, "a/b", "text/csv"]), tuple(WRITERS))
