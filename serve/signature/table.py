"""The JSON forms of a table → its columns as lists, whatever the form, and where each value stood. Pure.

`dataframe_split`, `dataframe_records`, and `inputs`/`instances` by column or by row all end as columns here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from serve.errors import InvalidInputs
from serve.signature.flaws import Hopeless
from serve.signature.payload import Payload, json_word
from serve.signature.spec import ArrayType, ObjectType, Signature

Name = str | int | None  # a name is a whole number where a frame never got names, None in a signature without


@dataclass(frozen=True, slots=True)
class Table:
    """Columns of equal length by name. `layout` is how they came: 'columns', 'rows', 'split' or 'list' (one column).

    `plain` is false where MLflow would make something else of the same data: an index of its own, a row that lacks
    a key which others have, a value beside a list.
    """

    form: str
    layout: str
    data: Mapping[Name, Sequence[Any]]
    rows: int
    plain: bool = True

    def place(self, name: Name, row: int) -> str:
        """Where in the body that value stands."""
        if self.layout == "columns":
            return f"{self.form}.{name}[{row}]"
        place = f"{self.form}.data[{row}]" if self.layout == "split" else f"{self.form}[{row}]"
        return place if self.layout == "list" or name is None else f"{place}.{name}"


def read(payload: Payload, signature: Signature) -> Table:
    """The payload's data by column, or `InvalidInputs` where it is no table."""
    form, value = payload.form, payload.value
    if form == "dataframe_split":
        return _from_split(value, signature)
    if isinstance(value, dict) and form == "inputs":
        return _from_columns(value, form, one_row=_one_row(signature))
    if isinstance(value, list) and value and all(isinstance(row, dict) for row in value):
        return _from_records(value, form, signature)
    if form != "dataframe_records" and isinstance(value, list) and not any(isinstance(row, dict) for row in value):
        rows = bool(value) and all(isinstance(row, list) for row in value)
        if len(signature.columns) == 1 and (signature.named or not rows):
            return Table(form, "list", {signature.columns[0].name: value}, len(value))
        if signature.columns and not signature.named:
            return _from_rows(value, list(range(len(signature.columns))), form, "rows")
    takes = "a list of objects" if form != "inputs" else "an object of columns or a list of objects"
    hopeless = form == "dataframe_records" and not isinstance(value, list)
    raise (Hopeless if hopeless else InvalidInputs)(
        f"{form} must be {takes}, not {'an empty list' if value == [] else json_word(value)}", form
    )


def _from_split(value: Any, signature: Signature) -> Table:
    form = "dataframe_split"
    if not isinstance(value, dict) or not isinstance(value.get("data"), list):
        hopeless = not isinstance(value, dict) or "data" not in value
        told = f"{form} must be an object with data (a list of rows) and columns"
        raise (Hopeless if hopeless else InvalidInputs)(told, form)
    unknown = [key for key in value if key not in ("columns", "data", "index")]
    if unknown:
        raise Hopeless(f"{form} has no key '{unknown[0]}'; it has columns, data and index", form)
    rows, names = value["data"], value.get("columns")
    given = names is not None
    if names is None:
        names = [column.name for column in signature.columns] if signature.named else range(len(signature.columns))
        names = list(names)
    if not _are_names(names):
        raise InvalidInputs(f"{form}.columns must be a list of different names", f"{form}.columns")
    table = _from_rows(rows, names, form, "split")
    index = value.get("index")
    if index is not None and (not isinstance(index, list) or len(index) != len(rows)):
        raise InvalidInputs(f"{form}.index must be a list of {len(rows)} labels, one a row", f"{form}.index")
    return Table(form, "split", table.data, table.rows, given and index in (None, list(range(len(rows)))))


def _from_rows(rows: list[Any], names: list[Name], form: str, layout: str) -> Table:
    place = f"{form}.data" if layout == "split" else form
    for at, row in enumerate(rows):
        if not isinstance(row, list) or len(row) != len(names):
            has = f"{len(row)} values" if isinstance(row, list) else json_word(row)
            raise InvalidInputs(f"{place}[{at}] must be a list of {len(names)} values, not {has}", f"{place}[{at}]")
    data = dict(zip(names, zip(*rows, strict=True), strict=True)) if rows else dict.fromkeys(names, ())
    return Table(form, layout, data, len(rows), plain=False)


def _are_names(names: Any) -> bool:
    fits = isinstance(names, list) and all(name is None or type(name) in (str, int) for name in names)
    return fits and len(set(map(str, names))) == len(names)


def _from_columns(value: dict[str, Any], form: str, *, one_row: bool) -> Table:
    """Lists are columns; where values are lists or objects by themselves, all of it is one row, as in MLflow."""
    if one_row:
        return Table(form, "columns", {name: [data] for name, data in value.items()}, 1, plain=False)
    columns: dict[Name, list[Any]] = {name: data if isinstance(data, list) else [data] for name, data in value.items()}
    lengths = {name: len(data) for name, data in columns.items()}
    if len(set(lengths.values())) > 1:
        told = ", ".join(f"'{name}' {length}" for name, length in list(lengths.items())[:5])
        raise InvalidInputs(f"the columns in {form} must have equal lengths, and have: {told}", form)
    plain = all(isinstance(data, list) for data in value.values())
    return Table(form, "columns", columns, next(iter(lengths.values()), 0), plain)


def _from_records(rows: list[dict[str, Any]], form: str, signature: Signature) -> Table:
    """Rows may leave out optional columns: what some rows lack is null there."""
    names = dict.fromkeys(name for row in rows for name in row)
    even = all(len(row) == len(names) for row in rows)
    required = [column.name for column in signature.columns if column.required and column.name in names]
    for at, row in enumerate(rows if not even else ()):
        missing = [name for name in required if name not in row]
        if missing:
            told = f"{form}[{at}] lacks the column '{missing[0]}', which other rows have"
            raise InvalidInputs(told, f"{form}[{at}]")
    plain = even and not (form == "instances" and _one_row(signature))
    return Table(form, "rows", {name: [row.get(name) for row in rows] for name in names}, len(rows), plain)


def _one_row(signature: Signature) -> bool:
    """Whether MLflow takes an object of columns, which it also makes of instances, for one row of values."""
    return any(isinstance(column.type, ArrayType | ObjectType) for column in signature.columns)
