"""Sets of field paths: who manages what, and what differs.

A path is a tuple of elements in the spelling of `FieldsV1`: `f:name` for a
field, `k:{"name":"web"}` for an item of a keyed list, `v:"x"` for a member of
a set. The rules are structured-merge-diff's.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import orjson

from .schema import ANY, Type

Path = tuple[str, ...]
PRESENT = object()
"""Stands for an item's mere presence, where a leaf would have its value."""


def key_of(of: Type, item: Any) -> str:
    """The element that identifies a list's item."""
    if of.shape == "set":
        return "v:" + orjson.dumps(item).decode()
    return "k:" + orjson.dumps(of.keyed_by(item), option=orjson.OPT_SORT_KEYS).decode()


def flatten(of: Type, value: Any) -> dict[Path, Any]:
    """All leaves of a value by path; items and map entries besides as `PRESENT`."""
    found: dict[Path, Any] = {}
    _flatten(of, value, (), found)
    return found


def _flatten(of: Type, value: Any, path: Path, found: dict[Path, Any]) -> None:
    if of.atomic and path:
        found[path] = value
    elif isinstance(value, dict):
        for name, item in value.items():
            child = of.child(name) or ANY
            below = (*path, f"f:{name}")
            _flatten(child, item, below, found)
            if item is None or item == {} or of.shape != "struct":
                found.setdefault(below, PRESENT)
    elif isinstance(value, list) and of.shape in ("keyed", "set"):
        for item in value:
            below = (*path, key_of(of, item))
            if of.shape == "keyed":
                _flatten(of.element, item, below, found)
            found.setdefault(below, PRESENT)
    elif path and (value is not None or of.shape not in ("struct", "map", "keyed", "set")):
        found[path] = value


def with_parents(paths: Iterable[Path]) -> set[Path]:
    """The paths and all that lead to them."""
    return {path[:end] for path in paths for end in range(1, len(path) + 1)}


def remove(of: Type, value: Any, paths: set[Path], path: Path = ()) -> Any:
    """The value without what lies at the paths or below them."""
    if isinstance(value, dict) and not (of.atomic and path):
        return {
            name: remove(of.child(name) or ANY, item, paths, (*path, f"f:{name}"))
            for name, item in value.items()
            if (*path, f"f:{name}") not in paths
        }
    if isinstance(value, list) and of.shape in ("keyed", "set"):
        return [
            remove(of.element, item, paths, (*path, key_of(of, item)))
            for item in value
            if (*path, key_of(of, item)) not in paths
        ]
    return value


def merge(of: Type, live: Any, config: Any) -> Any:
    """Config laid over live: structs and maps by name, keyed lists and sets by item."""
    if config is None or live is None or of.atomic:
        return config
    if isinstance(config, dict) and isinstance(live, dict):
        merged = dict(live)
        for name, item in config.items():
            merged[name] = merge(of.child(name) or ANY, live.get(name), item)
        return merged
    if isinstance(config, list) and isinstance(live, list) and of.shape in ("keyed", "set"):
        return _merge_items(of, live, config)
    return config


def _merge_items(of: Type, live: list[Any], config: list[Any]) -> list[Any]:
    """In config's order; items of live alone stay where they stood between shared ones."""
    left, right = [key_of(of, x) for x in live], [key_of(of, x) for x in config]
    ours, theirs = dict(zip(right, config, strict=True)), dict(zip(left, live, strict=True))
    shared = [key for key in right if key in theirs]
    merged: list[Any] = []
    while left or right:
        if left and left[0] not in ours:
            merged.append(theirs[left.pop(0)])
        elif left and (not right or left[0] not in shared[:1]):
            left.pop(0)  # its turn came, or comes, in config's order
        else:
            key = right.pop(0)
            merged.append(merge(of.element, theirs.get(key), ours[key]))
            shared = shared[1:] if shared[:1] == [key] else shared
    return merged


# --- FieldsV1 -------------------------------------------------------------
def encode(paths: Iterable[Path]) -> dict[str, Any]:
    """As `fieldsV1`: nested, a dot where a path ends that others go through."""
    root: dict[str, Any] = {}
    ends = set(paths)
    for path in sorted(ends):
        node = root
        for element in path:
            node = node.setdefault(element, {})
    _mark(root, (), ends)
    return root


def _mark(node: dict[str, Any], path: Path, ends: set[Path]) -> None:
    for element, below in list(node.items()):
        _mark(below, (*path, element), ends)
    if node and path in ends:
        node["."] = {}


def decode(fields: dict[str, Any], path: Path = ()) -> set[Path]:
    """The paths in a `fieldsV1`."""
    if not fields:
        return {path} if path else set()
    found: set[Path] = set()
    for element, below in fields.items():
        if element == ".":
            found.add(path)
        else:
            found |= decode(below, (*path, element))
    return found
