"""The forms of data that a signature of columns takes, as schemas; see `serve.signature.table`. Pure.

Columns without names are matched by position, so they come as lists. (That an object may name them as it likes,
as long as every row does so alike, is more than a schema can say.)
"""

from collections.abc import Callable, Mapping, Sequence

from serve.front.openapi import types
from serve.front.openapi.subject import Subject
from serve.front.openapi.types import Schema, Schemas, array, nullable, union
from serve.signature.spec import AnyType, ArrayType, Column, MapType, ObjectType

_NO_OBJECT: Schema = {"type": ["array", "string", "number", "boolean", "null"]}
_NO_LIST: Schema = {"type": ["object", "string", "number", "boolean", "null"]}


def forms(subject: Subject) -> Mapping[str, Schema]:
    """The schema of each form's data."""
    columns = subject.signature.columns
    if not subject.signature.named:
        lists = [_tuple(columns), *([types.cell(columns[0])] if len(columns) == 1 else [])]
        rows = union([array(one, minItems=1) for one in lists])
        return {"inputs": rows, "instances": rows, "dataframe_split": subject.ref("Split")}
    rows = array(subject.ref("Row"), minItems=1)
    alone = [_in_list(columns[0])] if len(columns) == 1 else []
    lists = [array(one, minItems=1) for one in alone if one is not None]
    by_column = subject.ref("Row" if _one_row(columns) else "Columns")
    return {
        "inputs": union([by_column, rows, *lists]),
        "instances": union([rows, *lists]),
        "dataframe_split": subject.ref("Split"),
        "dataframe_records": rows,
    }


def parts(subject: Subject) -> Schemas:
    """The schemas that those refer to, by name."""
    columns = subject.signature.columns
    if not subject.signature.named:
        return {"Split": _split({"type": ["string", "integer"]}, _tuple(columns), len(columns), len(columns))}
    least = sum(column.required for column in columns)
    name = {"type": "string", "enum": [column.name for column in columns]}
    cells = array(union([types.cell(column) for column in columns]), minItems=least, maxItems=len(columns))
    found = {
        "Row": {**row(columns), "description": "One row, by column."},
        "Split": _split(name, cells, least, len(columns)),
    }
    if not _one_row(columns):
        found["Columns"] = {**_object(columns, _values), "description": "All rows, column by column."}
    return found


def row(columns: Sequence[Column]) -> Schema:
    """One row as an object."""
    return _object(columns, types.cell)


def _one_row(columns: Sequence[Column]) -> bool:
    """Whether an object of columns is a single row, for their values are lists or objects themselves."""
    return any(isinstance(column.type, ArrayType | ObjectType) for column in columns)


def _object(columns: Sequence[Column], of: Callable[[Column], Schema]) -> Schema:
    """An object of columns, each value as `of` says."""
    return {
        "type": "object",
        "properties": {str(column.name): of(column) for column in columns},
        "required": [str(column.name) for column in columns if column.required],
        "additionalProperties": False,
    }


def _values(column: Column) -> Schema:
    """A column's values in a list; a single one stands for a list of one."""
    cell = types.cell(column)
    return union([array(cell, minItems=1), _NO_LIST if isinstance(column.type, AnyType) else cell])


def _in_list(column: Column) -> Schema | None:
    """A value of the only column, in a list, where an object would be a row: None where it takes nothing else."""
    if isinstance(column.type, AnyType):
        return _NO_OBJECT
    return None if isinstance(column.type, ObjectType | MapType) else types.cell(column)


def _tuple(columns: Sequence[Column]) -> Schema:
    """One row as a list, in the order of the columns."""
    cells = [types.cell(column) for column in columns]
    return {"type": "array", "prefixItems": cells, "minItems": len(cells), "maxItems": len(cells)}


def _split(name: Schema, row_: Schema, least: int, most: int) -> Schema:
    """A frame as pandas splits it. Its columns may come in any order; left out, they are the signature's."""
    names = array(name, minItems=least, maxItems=most) | {"uniqueItems": True}
    index = array({}) | {"description": "Labels of the rows: as many, and of no consequence."}
    return {
        "type": "object",
        "description": "A frame as pandas splits it: names of columns, and rows as lists.",
        "properties": {"columns": nullable(names), "data": array(row_, minItems=1), "index": nullable(index)},
        "required": ["data"],
        "additionalProperties": False,
    }
