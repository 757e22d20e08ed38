"""What a promotion tells of itself, on a terminal and in a pipe."""

import io

from rich.console import Console

from promote.progress import Progress


def test_in_a_pipe_each_finding_is_a_line_and_nothing_else_is_written() -> None:
    stream = io.StringIO()
    with Progress(Console(file=stream, width=40)) as progress:
        progress.begins("downloading")
        progress.found("downloaded", "models:/m-1 [bold] " + "x" * 100)
        progress.begins("resolving")
        progress.found("note", "a\nb\x1b[31m")
    assert stream.getvalue() == f"downloaded models:/m-1 [bold] {'x' * 100}\nnote       a b [31m\n"


def test_on_a_terminal_the_step_under_way_shows() -> None:
    stream = io.StringIO()
    with Progress(Console(file=stream, force_terminal=True, width=80)) as progress:
        progress.begins("rehearsing")
    assert "rehearsing …" in stream.getvalue()
