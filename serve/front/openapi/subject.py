"""What is described of one live model: its facts, and the clean names that schemas and operations get from it. Pure.

`title` begins the names of its schemas ('Digits' in 'DigitsRequest'), `slug` ends those of its operations ('digits'
in 'predict_digits'). No two models share one, nor do they once a generator has changed their case.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from serve.front.openapi import example, types
from serve.front.openapi.types import Schema
from serve.rollout import Deployed
from serve.signature.spec import Signature


@dataclass(frozen=True, slots=True)
class Subject:
    """One live model.

    `predictions` is its golden answer, whole, None where it has none; `example` a request and its answer as they
    can be shown, or None; `streams` says whether it answers in chunks too.
    """

    name: str
    title: str
    slug: str
    versions: tuple[str, ...]
    signature: Signature
    predictions: Any
    example: tuple[Any, Any] | None
    streams: bool

    def ref(self, what: str) -> Schema:
        """A reference to the schema of that name among the model's own."""
        return types.ref(f"{self.title}{what}")


def subjects(models: Iterable[Deployed]) -> list[Subject]:
    """The live models as they are described, by name."""
    found: list[Subject] = []
    for one in sorted(models, key=lambda one: one.snapshot.name):
        title = _free(_title(one.snapshot.name), {other.title.lower() for other in found})
        found.append(_subject(one, title))
    return found


def _subject(one: Deployed, title: str) -> Subject:
    model = one.snapshot
    golden = model.golden.cases[0] if model.golden.cases else {}
    shown = example.of(golden, batchable=model.promotion.batchable) if golden else None
    return Subject(
        name=model.name,
        title=title,
        slug=_slug(title),
        versions=one.versions,
        signature=model.signature,
        predictions=golden.get("predictions"),
        example=shown,
        streams=one.pool.streams,
    )


def _title(name: str) -> str:
    words = re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+", name)
    joined = "".join(word[0].upper() + word[1:].lower() for word in words)
    return joined if joined[0].isalpha() else f"Model{joined}"


def _slug(title: str) -> str:
    return re.sub(r"(?<=.)([A-Z])", r"_\1", title).lower()


def _free(title: str, taken: set[str]) -> str:
    """The title, with the first number behind it that makes it different."""
    tries = (f"{title}{number}" if number > 1 else title for number in range(1, len(taken) + 2))
    return next(one for one in tries if one.lower() not in taken)
