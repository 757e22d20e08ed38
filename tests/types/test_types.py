"""Every type of a signature, in every dialect and format: what the model is given, and what comes back."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from serve.errors import NotAcceptable
from tests.types import page
from tests.types.kinds import KINDS, Kind
from tests.types.routes import ROUTES, Format, as_python, normal
from tests.types.served import DEFAULTS, Refused, ask

PAGE = Path(__file__).parents[2] / "docs" / "types.md"
BY_PANDAS = ("/invocations", "CSV")  # whose texts are objects, also since pandas has strings of its own
CELLS = [
    pytest.param(kind, path, format_, id=f"{kind.name}-{path[1:]}-{format_.name}")
    for kind in KINDS.values()
    for path, formats in ROUTES.items()
    for format_ in formats
]


@pytest.mark.parametrize(("kind", "path", "format_"), CELLS)
def test_the_model_is_given_what_was_sent_and_the_caller_gets_it_back(kind: Kind, path: str, format_: Format) -> None:
    body = format_.write(kind)
    headers = {"content-type": format_.content_type, "accept": format_.content_type, **body.headers}
    refused = page.refusal(kind, path, format_)
    if refused is not None:
        with pytest.raises(Refused, match=refused[1]):
            ask(kind, path, headers, body.content)
        return
    if format_.name == ".npy" and kind.name in page.ONE_WAY:
        with pytest.raises(NotAcceptable):
            ask(kind, path, headers, body.content)
        return
    served = ask(kind, path, headers, body.content)
    assert normal(kind, format_.read(kind, served.body, served.headers)) == as_python(kind)
    require_given(kind, served.given, texts="object" if (path, format_.name) == BY_PANDAS else "str")
    assert served.params == DEFAULTS | (kind.params if format_.takes_params else {}) if kind.params else True


def require_given(kind: Kind, given: Any, texts: str) -> None:
    """That the model was given the items, in the dtypes that MLflow has for them."""
    if isinstance(given, pd.DataFrame):
        arrays = [given[name] for name in kind.items]
    else:
        arrays = [given] if isinstance(given, np.ndarray) else list(given.values())
        assert list(given) == list(kind.items) if isinstance(given, dict) else True
    assert [told(one.dtype) for one in arrays] == [texts if one == "string" else one for one in kind.dtypes]
    assert normal(kind, [[plain(item) for item in one.tolist()] for one in arrays]) == as_python(kind)


def told(dtype: Any) -> str:
    """The dtype's name, without the width of texts."""
    return str(dtype.name).rstrip("0123456789") if getattr(dtype, "kind", "") in "US" else str(dtype)


def plain(item: Any) -> Any:
    """As Python has it; of Parquet, pandas makes arrays of lists."""
    if isinstance(item, dict):
        return {key: plain(one) for key, one in item.items()}
    if isinstance(item, list | np.ndarray):
        return [plain(one) for one in item]
    return item.to_pydatetime() if isinstance(item, pd.Timestamp) else item


def test_the_page_tells_what_is_tested() -> None:
    assert PAGE.read_text() == "\n".join(page.lines()) + "\n", "run make docs"
