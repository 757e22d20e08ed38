"""docs/routes.md from /openapi.json and what each route asks: `python docs/generate_routes.py > docs/routes.md`."""

import sys
from collections.abc import Iterator, Mapping

from serve.access.scope import Need
from serve.front.needs import CONTROL, NEEDS
from serve.front.openapi import OF_DEFAULT, OF_MODEL, OF_SERVER
from serve.front.openapi.subject import Subject
from serve.front.openapi.types import Schema
from serve.signature.spec import Column, Signature

HEAD = """# Routes

Every route that a server describes of itself. Its own `/docs` shows the same for the models that are live, with the
types of their signatures and an example to send; `/openapi.json` is for generators of clients. How bodies are written,
and what an error looks like, stands in [HTTP](http.md).

`scope` is what a key or token must grant, [where keys are asked for](http.md#who-may-ask). Routes with ⚙ are on the
control port alone, where there is one.

| route | what it does | scope | answers |
|---|---|---|---|"""

_SCOPES = {Need.NOTHING: "–", Need.KNOWN: "any"}
_INPUT = Column("column", "double", required=True)
_NAMED = Subject("{name}", "Name", "name", ("{version}",), Signature(columns=(_INPUT,)), None, None, streams=True)


def lines() -> Iterator[str]:
    """The page, line by line."""
    yield HEAD
    for route in NEEDS:
        for method, operation in _described(route).items():
            yield _row(route, method, operation)


def _described(route: str) -> Mapping[str, Schema]:
    """The operations of a route; none where nothing describes it."""
    if route in OF_SERVER:
        return OF_SERVER[route]()
    of_model = OF_MODEL.get(route) or OF_DEFAULT.get(route)
    return of_model(_NAMED) if of_model is not None else {}


def _row(route: str, method: str, operation: Schema) -> str:
    need = NEEDS[route]
    summary = operation["summary"].replace(
        "{name}", "a model" if "{name}" in route else "the only, or the default, model"
    )
    summary = summary[0].upper() + summary[1:]
    mark = " ⚙" if route in CONTROL else ""
    statuses = " ".join(sorted(operation["responses"]))
    return f"| `{method.upper()} {route}`{mark} | {summary} | {_SCOPES.get(need, f'`{need.value}`')} | {statuses} |"


if __name__ == "__main__":
    sys.stdout.write("\n".join(lines()) + "\n")
