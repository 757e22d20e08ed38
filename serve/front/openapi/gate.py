"""What a gate before the routes adds to them: how a caller is let in, and the answers to one who is not. Pure."""

from typing import Any

from serve.access.scope import Need
from serve.front.needs import NEEDS
from serve.front.openapi import refusals
from serve.front.openapi.types import Schema

_TOLD = "An API key, or a token of the issuer that the server trusts; each grants scopes."

COMPONENTS: Schema = {"securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "description": _TOLD}}}


def guarded(route: str, item: Schema) -> Schema:
    """The operations of a route as they are behind the gate."""
    if NEEDS[route] is Need.NOTHING:
        return item
    return {method: _guarded(route, operation) for method, operation in item.items()}


def _guarded(route: str, operation: Schema) -> dict[str, Any]:
    responses = {**operation["responses"], **refusals.of_gate(route)}
    return {**operation, "security": [{"bearer": []}], "responses": dict(sorted(responses.items()))}
