"""Signatures in a few words."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from serve.signature.spec import Column, Param, Signature, TensorSpec, Type


def columns(*, outputs: Signature | None = None, params: tuple[Param, ...] = (), **types: Type) -> Signature:
    """Columns by name; 'x?' as in `**{"x?": …}` is optional."""
    found = tuple(Column(name.rstrip("?"), type_, not name.endswith("?")) for name, type_ in types.items())
    return Signature(columns=found, outputs=(outputs.columns or outputs.tensors) if outputs else (), params=params)


def tensors(specs: Mapping[str | None, tuple[str, tuple[int, ...]]], **more: Any) -> Signature:
    """Tensors by name: numpy's dtype, and shape."""
    found = tuple(TensorSpec(name, np.dtype(dtype).str, shape) for name, (dtype, shape) in specs.items())
    return Signature(tensors=found, **more)
