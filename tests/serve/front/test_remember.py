"""What a server remembers of headers is bounded by their number and by their length."""

from serve.front import formats, streaming
from serve.front.remember import remember


def test_a_short_text_is_read_once_and_a_long_one_each_time() -> None:
    read: list[str] = []

    @remember
    def length(text: str) -> int:
        read.append(text)
        return len(text)

    for text in ("short", "x" * 256, "x" * 257) * 2:
        assert length(text) == len(text)
    assert read == ["short", "x" * 256, "x" * 257, "x" * 257]


def test_no_header_however_long_or_new_makes_a_memory_grow() -> None:
    for one in (streaming.asked, formats.accepted, formats.reader):
        remembered = one.remembered  # type: ignore[attr-defined]
        before = remembered.cache_info().currsize
        for text in ("application/json" + " " * 60_000, "application/json" + "," * 60_000):
            try:
                one(text)
            except Exception as error:
                assert type(error).__name__ in ("UnsupportedContent", "NotAcceptable")  # noqa: PT017
        assert remembered.cache_info().currsize == before <= remembered.cache_info().maxsize == 64
