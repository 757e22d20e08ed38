"""docs/types.md from the cells that are tested: `python -m tests.types.page > docs/types.md`."""

import sys
from collections.abc import Iterator, Sequence

from tests.types.kinds import COLUMNS, PARAMS, TENSORS, Kind
from tests.types.routes import ROUTES, Format

# What can't be sent so, by where it is sent and in which format: why, and what the refusal says.
NESTED = ("Array", "Object", "Map", "AnyType", "nested")
PICKLED = ("it could only hold them pickled", "holds Python objects, which are never unpickled")
BY_MLFLOW = ("MLflow's reading of it does not make that type", "MLflow refused the inputs")
REFUSED: dict[tuple[str, str], tuple[tuple[str, str], Sequence[str]]] = {
    ("/predict", ".npy"): (PICKLED, NESTED),
    ("/invocations", ".npy"): (PICKLED, NESTED),
    ("/predict", "CSV"): (("its cells are no lists of numbers", "is no number"), ["tensor of rank 3"]),
    ("/invocations", "CSV"): (BY_MLFLOW, [*NESTED, "datetime", *(one.name for one in TENSORS)]),
    ("/invocations", "Parquet"): (
        BY_MLFLOW,
        ["Map", "nested", "tensor of rank 3", "tensor of datetime64[ns]"],
    ),
    ("/v2", "JSON"): (("the protocol has FP16 in binary only", "the model takes float16"), ["tensor of float16"]),
}
# What comes in, and is answered in another format.
ONE_WAY = ("string", "binary", "tensor of str", "tensor of bytes")

HEAD = """# Types

How a value of each type of a signature is written, in each dialect and format. Every cell is a test of that name
(`pytest tests/types`): the value is sent so, the model is given it in the dtype that MLflow gives it, and where the
model answers it, it is answered so.

What is sent is an example, or the name of the type in that format. – is refused, in a sentence; the reasons stand
below the tables. → comes in only: ask for the answer in another format.
"""
TITLES = (
    ("Columns", COLUMNS, "Several columns are sent as several of these; an optional one may be left out, or null."),
    ("Tensors", TENSORS, "Of any rank and shape. A complex number is two floats along one more axis in v2."),
    ("Params", PARAMS, "Tables hold none: the model is given its defaults."),
)


def refusal(kind: Kind, path: str, format_: Format) -> tuple[str, str] | None:
    """Why this cell is refused, and what the refusal says; None where it is not."""
    reason, kinds = REFUSED.get((path, format_.name), (None, ()))
    return reason if kind.name in kinds else None


def lines() -> Iterator[str]:
    """The page, line by line."""
    yield HEAD
    for title, kinds, told in TITLES:
        yield f"## {title}\n\n{told}\n"
        yield from _table(kinds)
        yield ""
    yield "## What is refused\n"
    for (path, format_), ((why, _), kinds) in REFUSED.items():
        yield f"- {format_} at `{path}`: {', '.join(kinds)}: {why}."


def _table(kinds: Sequence[Kind]) -> Iterator[str]:
    columns = [(path, one) for path, formats in ROUTES.items() for one in formats]
    yield "| | " + " | ".join(f"{path} {one.name}" for path, one in columns) + " |"
    yield "|---" * (len(columns) + 1) + "|"
    for kind in kinds:
        yield f"| {kind.name} | " + " | ".join(_cell(kind, path, one) for path, one in columns) + " |"


def _cell(kind: Kind, path: str, format_: Format) -> str:
    if refusal(kind, path, format_):
        return "–"
    if kind.params and not format_.takes_params:
        return "defaults"
    shown = format_.write(kind).shown.replace("\n", "\\n")
    return (f"`{shown}`" if shown else "empty") + (" →" if format_.name == ".npy" and kind.name in ONE_WAY else "")


if __name__ == "__main__":
    sys.stdout.write("\n".join(lines()) + "\n")
