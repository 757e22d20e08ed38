"""Columns by name, as CSV, Parquet, Arrow and records of numpy bring them → what a worker takes. Pure.

As MLflow makes tensors of a frame: several columns are one tensor where that has no name; a column whose cells
are flat lists takes the shape of its tensor.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from serve.errors import InvalidInputs
from serve.signature.binding import Bound, bind_arrays
from serve.signature.spec import Signature, TensorSpec

Array = np.ndarray[Any, Any]


def bind(named: Mapping[str | None, Array], signature: Signature, form: str, layout: str = "columns") -> Bound:
    """The columns bound to the signature, or `InvalidInputs`; `layout` is `Table`'s."""
    if not named:
        raise InvalidInputs(f"{form} holds no columns", form)
    specs = signature.tensors
    if len(specs) == 1 and specs[0].name is None:
        named = {None: _shaped(_joined(named, form), specs[0])}
    elif specs:
        by_name = {spec.name: spec for spec in specs}
        named = {name: _shaped(one, by_name[name]) if name in by_name else one for name, one in named.items()}
    return bind_arrays(named, {}, signature, form, layout)


def _joined(named: Mapping[str | None, Array], form: str) -> Array:
    """One column, or several side by side."""
    arrays = list(named.values())
    if len(arrays) == 1:
        return arrays[0]
    if not arrays or any(one.ndim != 1 for one in arrays):
        raise InvalidInputs(
            f"{form} must hold one column of lists, or columns of numbers, for the model's one tensor", form
        )
    try:
        return np.stack(arrays, axis=1)
    except TypeError:
        kinds = ", ".join(sorted({str(one.dtype) for one in arrays}))
        raise InvalidInputs(f"{form} holds columns of {kinds}, which make no one tensor", form) from None


def _shaped(array: Array, spec: TensorSpec) -> Array:
    """The array in the shape of its tensor where only the nesting differs; else as it is, for the binding to judge."""
    inner = spec.shape[1:]
    if len(spec.shape) == array.ndim or array.ndim == 0 or not inner:
        return array
    if array.ndim == 1 and inner in ((1,), (-1,)):
        return array.reshape(-1, 1)
    flat = array.ndim == 2 and -1 not in inner and math.prod(inner) == array.shape[1]
    return array.reshape(array.shape[0], *inner) if flat else array
