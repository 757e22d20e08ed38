"""docs/settings.md from the settings themselves: `python docs/generate_settings.py > docs/settings.md`."""

import sys
from collections.abc import Iterator
from enum import Enum

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from serve.settings import Settings

HEAD = """# Settings

Every setting is an environment variable; the command line's options win over them. Times are in seconds. A name
that is not listed here is refused at start.

| variable | default | what it does |
|---|---|---|"""


def lines() -> Iterator[str]:
    """The page, line by line."""
    yield HEAD
    for name, field in Settings.model_fields.items():
        if isinstance(field.default, BaseModel):
            for inner, setting in type(field.default).model_fields.items():
                yield _row(f"PINION_{name}__{inner}", setting)
        else:
            yield _row(f"PINION_{name}", field)


def _row(variable: str, field: FieldInfo) -> str:
    default = field.default.value if isinstance(field.default, Enum) else field.default
    shown = "" if default is None else f"`{default}`"
    told = " ".join((field.description or "").split())
    return f"| `{variable.upper()}` | {shown} | {told} |"


if __name__ == "__main__":
    sys.stdout.write("\n".join(lines()) + "\n")
