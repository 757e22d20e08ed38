"""Values of nested types (Array, Object, Map, Any) against their type, by MLflow's own rules on JSON. Pure.

Source of the rules: mlflow/models/utils.py (`_enforce_type` and what it calls). MLflow reads a list as a pandas
Series first, so a list is judged by the dtype that pandas would find: integers are int64, integers among
fractions float64. Nothing is cast here: the worker's MLflow does that.
"""

from collections.abc import Sequence
from typing import Any

from serve.signature.flaws import Flaws
from serve.signature.payload import json_word
from serve.signature.spec import ArrayType, MapType, ObjectType, Type, words


def check(value: Any, type_: Type, place: str, flaws: Flaws, *, required: bool = True) -> None:
    """Note in `flaws` where `value` is not of this type; what only MLflow can tell, such as dates, passes."""
    if isinstance(type_, str):
        _scalar(value, type_, place, flaws, required)
    elif isinstance(type_, ArrayType):
        _array(value, type_, place, flaws, required)
    elif isinstance(type_, ObjectType):
        _object(value, type_, place, flaws, required)
    elif isinstance(type_, MapType):
        _map(value, type_, place, flaws, required)


def _scalar(value: Any, type_: str, place: str, flaws: Flaws, required: bool) -> None:
    if value is None and not required:
        return
    if value is None or isinstance(value, list | dict):
        _wrong(value, type_, place, flaws)
    else:
        _series([value], type_, place, flaws)


def _array(value: Any, type_: ArrayType, place: str, flaws: Flaws, required: bool) -> None:
    if value is None and (not required or _takes_any(type_.items)):
        return
    if not isinstance(value, list):
        _wrong(value, words(type_), place, flaws, hopeless=False)  # MLflow makes arrays of some
    elif isinstance(type_.items, str):
        _series(value, type_.items, place, flaws)
    else:
        for at, item in enumerate(value):
            check(item, type_.items, f"{place}[{at}]", flaws, required=required)


def _object(value: Any, type_: ObjectType, place: str, flaws: Flaws, required: bool) -> None:
    if not required and (value is None or value == {}):
        return
    if not isinstance(value, dict):
        return _wrong(value, words(type_), place, flaws)
    known = {one.name: one for one in type_.properties}
    for name in [name for name, one in known.items() if one.required and name not in value]:
        flaws.add(place, f"lacks the key '{name}'", hopeless=True)
    for name, item in value.items():
        if name not in known:
            flaws.add(place, f"has no key '{name}' in the model's signature", hopeless=True)
        else:
            check(item, known[name].type, f"{place}.{name}", flaws, required=known[name].required)
    return None


def _map(value: Any, type_: MapType, place: str, flaws: Flaws, required: bool) -> None:
    if (not required or _takes_any(type_.values)) and (value is None or value == {}):
        return
    if not isinstance(value, dict):
        return _wrong(value, words(type_), place, flaws)
    for name, item in value.items():
        check(item, type_.values, f"{place}.{name}", flaws, required=required)
    return None


def _takes_any(type_: Type) -> bool:
    return not isinstance(type_, str | ArrayType | MapType | ObjectType)


def _series(values: Sequence[Any], type_: str, place: str, flaws: Flaws) -> None:
    """A list of scalars, or one scalar as a list, as pandas would read it."""
    natural = _natural(values)
    if not values:
        return
    if (natural, type_) in _BENT:
        flaws.add(place, f"holds {natural}; the model takes {type_} there")
    elif type_ in ("float", "double") and natural == "integers" and all(value in (0, 1) for value in values):
        return
    elif natural not in _TAKES[type_]:
        told = f"MLflow takes {_WRITTEN[type_]} for {type_} there" if type_ in _WRITTEN else f"the model takes {type_}"
        flaws.add(place, f"holds {natural}; {told}", hopeless=natural in _PLAIN and not any(map(_is_nan, values)))


_TAKES = {
    "boolean": ("booleans",),
    "integer": (),
    "long": ("integers",),
    "float": (),
    "double": ("fractions",),
    "string": ("strings", "nulls"),
    "binary": ("strings", "nulls", "values of several kinds"),
    "datetime": ("strings", "nulls", "values of several kinds"),
}


# Kinds that pandas keeps as they are; what it makes of any other among them is for MLflow to tell.
_PLAIN = ("booleans", "strings", "integers", "fractions")


def _is_nan(value: Any) -> bool:
    """Whether pandas may make NaN of it, as it does of an empty list."""
    return value == [] or bool(value != value)


# What MLflow takes by bending it: numbers written as strings, any text for true, null for false.
_BENT = {("values of several kinds", "string"), ("values of several kinds", "boolean"), ("nulls", "boolean")}

_WRITTEN = {
    "integer": "no JSON number (declare it long)",
    "float": "no JSON number but 0 and 1 (declare it double)",
    "double": "numbers with a fraction, as in 1.0,",
}


def _natural(values: Sequence[Any]) -> str:
    """What pandas would make of a list: the kind of its elements."""
    kinds = {type(value) for value in values}
    numbers = kinds - {type(None)}
    if kinds == {bool}:
        return "booleans"
    if numbers == {str}:
        return "strings"
    if not numbers:
        return "nulls"
    if kinds == {int}:
        return "integers" if all(-(2**63) <= value < 2**63 for value in values) else "huge integers"
    return "fractions" if numbers <= {int, float} else "values of several kinds"


def _wrong(value: Any, takes: str, place: str, flaws: Flaws, *, hopeless: bool = True) -> None:
    flaws.add(place, f"is {json_word(value)}; the model takes {takes} there", hopeless=hopeless)
