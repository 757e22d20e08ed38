"""Bends JSON bodies: one to two small changes anywhere in the tree, so that what nearly fits is tried most."""

import math
from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

from tests.differential.values import ODD

Path = tuple[Any, ...]


@st.composite
def bent(draw: st.DrawFn, tree: Any) -> Any:
    """The tree as it is in nearly half of all cases, else changed in one place or two."""
    for _ in range(draw(st.sampled_from((0, 0, 0, 1, 1, 1, 2)))):
        path = draw(st.sampled_from(paths(tree)))
        tree = draw(draw(st.sampled_from(CHANGES))(tree, path))
    return tree


def paths(tree: Any, above: Path = ()) -> list[Path]:
    """Every place in the tree below its root, but the outermost key of a body's form only seldom matters."""
    inner = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    found = [path for key, item in inner for path in ((*above, key), *paths(item, (*above, key)))]
    return found if above or found else [()]


def changed(tree: Any, path: Path, change: Callable[[Any], Any]) -> Any:
    """A copy of the tree with `change` made at `path`."""
    if not path:
        return change(tree)
    copy = dict(tree) if isinstance(tree, dict) else list(tree)
    copy[path[0]] = changed(copy[path[0]], path[1:], change)
    return copy


def _replaced(tree: Any, path: Path) -> st.SearchStrategy[Any]:
    return ODD.map(lambda odd: changed(tree, path, lambda _: odd))


def _wrapped(tree: Any, path: Path) -> st.SearchStrategy[Any]:
    return st.just(changed(tree, path, lambda item: [item]))


def _unwrapped(tree: Any, path: Path) -> st.SearchStrategy[Any]:
    def first(item: Any) -> Any:
        inner = item.values() if isinstance(item, dict) else item if isinstance(item, list) else (item,)
        return next(iter(inner), item)

    return st.just(changed(tree, path, first))


def _told(tree: Any, path: Path) -> st.SearchStrategy[Any]:
    """The same value as text, or the value that a text spells."""
    return st.just(changed(tree, path, lambda item: _as_number(item) if isinstance(item, str) else str(item)))


def _as_number(text: str) -> Any:
    try:
        return float(text) if text.isascii() and "n" not in text.lower() else text  # never NaN or infinity: no JSON
    except ValueError:
        return len(text)


def _as_float(tree: Any, path: Path) -> st.SearchStrategy[Any]:
    def change(item: Any) -> Any:
        if isinstance(item, bool):
            return int(item)
        if isinstance(item, int):
            return float(item) if abs(item) < 2**1000 else 0.5
        return round(item) if isinstance(item, float) and math.isfinite(item) else item

    return st.just(changed(tree, path, change))


def _dropped(tree: Any, path: Path) -> st.SearchStrategy[Any]:
    def drop(parent: Any) -> Any:
        if isinstance(parent, dict):
            return {key: item for key, item in parent.items() if key != path[-1]}
        return [item for at, item in enumerate(parent) if at != path[-1]]

    return st.just(changed(tree, path[:-1], drop) if path else tree)


def _added(tree: Any, path: Path) -> st.SearchStrategy[Any]:
    """One more key or item where there are several: an extra column, a ragged row, an unknown property."""

    def add(item: Any) -> st.SearchStrategy[Any]:
        if isinstance(item, dict):
            return st.tuples(st.sampled_from(("extra", "a", "b", "index", "0")), ODD).map(
                lambda new: {**item, new[0]: new[1]}
            )
        return ODD.map(lambda new: [*item, new]) if isinstance(item, list) else ODD

    found: list[Any] = []
    changed(tree, path, lambda item: found.append(item))
    return add(found[0]).map(lambda new: changed(tree, path, lambda _: new))


def _reversed(tree: Any, path: Path) -> st.SearchStrategy[Any]:
    def turn(item: Any) -> Any:
        return (
            dict(reversed(item.items())) if isinstance(item, dict) else item[::-1] if isinstance(item, list) else item
        )

    return st.just(changed(tree, path, turn))


def _emptied(tree: Any, path: Path) -> st.SearchStrategy[Any]:
    return st.just(changed(tree, path, lambda item: type(item)()))


def _null(tree: Any, path: Path) -> st.SearchStrategy[Any]:
    return st.just(changed(tree, path, lambda _: None))


CHANGES: tuple[Callable[[Any, Path], st.SearchStrategy[Any]], ...] = (
    *(_replaced, _replaced, _replaced, _null, _told, _as_float, _wrapped, _unwrapped),
    *(_dropped, _added, _reversed, _emptied),
)
