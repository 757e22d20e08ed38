"""How generated cases are run: the same ones every time in `make check`, other and many more ones in `make e2e`."""

from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

SHORT = settings(
    derandomize=True,  # main is never red by chance
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),  # many small choices make a signature and its body
    phases=(Phase.generate, Phase.shrink),
)
LONG = settings(SHORT, derandomize=False, print_blob=True)


def run(cases: st.SearchStrategy[Any], count: int, how: settings, check: Callable[[Any], None]) -> None:
    """`check` on `count` cases; one that fails is made small first, then raised."""

    @settings(how, max_examples=count)
    @given(cases)
    def checked(case: Any) -> None:
        check(case)

    checked()
