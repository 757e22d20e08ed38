"""Live models as the document of /openapi.json sees them, made of nothing but a signature and a golden case."""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import jsonschema_rs

from serve.artifact.snapshot import Golden, Promotion, Recipe, Snapshot
from serve.front.openapi import OF_DEFAULT, OF_MODEL, OF_SERVER, document
from serve.rollout import Deployed
from serve.signature.spec import (
    SCALARS,
    AnyType,
    ArrayType,
    Column,
    MapType,
    ObjectType,
    Param,
    Property,
    Signature,
    TensorSpec,
)

EVERY_PATH = [*OF_MODEL, *OF_DEFAULT, *OF_SERVER]


# Of every kind, and at the edges of every range; a whole number is never written with a fraction.
VALUES: list[Any] = [
    *(None, True, False, 0, 1, -1, 127, 128, 255, 256, -129, 65536, 2**31 - 1, 2**31, -(2**31) - 1, 2**32, 2**53),
    *(2**63 - 1, 2**63, 2**64 - 1, 0.5, -1e30, 70000.5, 3.4e38, 3.5e38, 1e308),
    *("", "a", "1", "QQ==", "QUI=", "QUJD", "QQ", "Q===", "a b=", "ä"),
    *("2024-05-31", "2024-05-31T12:00:00", "2024-05-31 12:00", "2024-05-31T12:00:00.123456789Z", "1600-01-01"),
    *("2024-05-31T24:00", "2024-13-01", "2024-02-30", "2262-01-01", "1678-01-01T07+02", "now", "2024", "May 1, 2024"),
    *([], [None], [1], [0.5], ["a"], [[0.5]], {}, {"a": "b"}, {"c0": 0.5}, [{"c0": "a"}]),
]


def deployed(
    signature: Signature,
    name: str = "m",
    request: Any = None,
    predictions: Any = None,
    *,
    batchable: bool = True,
    streams: bool = False,
) -> Deployed:
    cases = ({"request": request, "predictions": predictions},) if request is not None else ()
    snapshot = Snapshot(
        name,
        "sha256:" + "4f" * 32,
        Path(),
        signature,
        Recipe("3.11.7", ()),
        Promotion("run", {}, batchable, {}),
        Golden(cases, 0.0, 0.0),
    )
    pool = cast(Any, SimpleNamespace(streams=streams))  # all that a description asks of it
    return Deployed(snapshot, "c" * 40, pool, "2026-11-24", {})


def described(*models: Deployed, default: str | None = None, guarded: bool = False) -> dict[str, Any]:
    """The document for these models, as it arrives."""
    live = {one.snapshot.name: one for one in models}
    found: dict[str, Any] = json.loads(json.dumps(document(live, default, EVERY_PATH, "0.1.0", guarded=guarded)))
    return found


def validator(found: Mapping[str, Any], name: str) -> jsonschema_rs.Draft202012Validator:
    """What tells whether a value is as the schema of that name says."""
    return jsonschema_rs.Draft202012Validator(
        {"$ref": f"#/components/schemas/{name}", "components": found["components"]}
    )


def columns(*types: Any, required: bool = True) -> Signature:
    return Signature(columns=tuple(Column(f"c{at}", one, required) for at, one in enumerate(types)))


def tensors(*specs: tuple[str | None, str, tuple[int, ...]]) -> Signature:
    return Signature(tensors=tuple(TensorSpec(*spec) for spec in specs))


_CHAT = ArrayType(ObjectType((Property("role", "string", True), Property("content", "string", True))))
_PERSON = ObjectType((Property("name", "string", True), Property("age", "long", False)))
_DEEP = ArrayType(
    ArrayType(
        ObjectType(
            (
                Property("a", "string", True),
                Property("b", MapType(ArrayType("boolean")), False),
                Property("c", AnyType(), False),
            )
        )
    )
)
DTYPES = ("<f2", "<f4", "<f8", "|i1", "<i2", "<i4", "<i8", "|u1", "<u2", "<u4", "<u8", "|b1")
OTHER_DTYPES = ("<U0", "|S0", "|O", "<M8[ns]", "<c8", "<c16")


@cache
def signatures() -> Mapping[str, Signature]:
    """Signatures of every kind, by a name."""
    scalars = tuple(Column(type_, type_, True) for type_ in SCALARS)
    params = (*(Param(type_, type_, None, None) for type_ in SCALARS), Param("list", "long", [1], (-1,)))
    return {
        "none": Signature(),
        "required": Signature(columns=scalars),
        "optional": Signature(columns=tuple(Column(one.name, one.type, False) for one in scalars)),
        "unnamed-column": Signature(columns=(Column(None, "double", True),)),
        "unnamed-columns": Signature(columns=(Column(None, "double", True), Column(None, "string", True))),
        "array": columns(ArrayType("string")),
        "deep": columns(_DEEP),
        "object": columns(_PERSON, MapType("string"), required=False),
        "any": columns(AnyType()),
        "map": columns(MapType("string")),
        **{f"column-{type_}": columns(type_) for type_ in SCALARS},
        **{f"tensor-{dtype}": tensors((None, dtype, (-1, 3))) for dtype in (*DTYPES, *OTHER_DTYPES)},
        "rank-0": tensors((None, "<f8", ())),
        "rank-1": tensors((None, "<f8", (-1,))),
        "rank-3": tensors((None, "<f4", (-1, 2, 2))),
        "fixed-rows": tensors((None, "<f4", (2, -1, 3))),
        "named-tensor": tensors(("x", "<f4", (-1, 2))),
        "named-tensors": tensors(("x", "<f4", (-1, 2)), ("y", "|b1", (-1,)), ("z", "<U0", (-1, 1, 2))),
        "named-without-rows": tensors(("x", "<f4", (-1, 2)), ("y", "<f8", ())),
        "params": Signature(
            columns=(Column("x", "double", True),), params=(*params, Param("who", _PERSON, {"name": "Ada"}, None))
        ),
        "type-hint": Signature(columns=(Column(None, _PERSON, True),), type_hint=True),
        "chat": Signature(
            columns=(Column("messages", _CHAT, True),), params=(Param("temperature", "double", 0.5, None),)
        ),
    }
