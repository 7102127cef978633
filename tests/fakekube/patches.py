"""JSON Patch, JSON Merge Patch and Kubernetes' strategic merge patch."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from .errors import ApiError
from .schema import ANY, Type


def merge_patch(value: Any, patch: Any) -> Any:
    """RFC 7386: maps merge, null removes, all else replaces."""
    if not isinstance(patch, dict):
        return patch
    result = dict(value) if isinstance(value, dict) else {}
    for name, item in patch.items():
        if item is None:
            result.pop(name, None)
        else:
            result[name] = merge_patch(result.get(name), item)
    return result


# --- RFC 6902 -------------------------------------------------------------
def json_patch(value: Any, operations: list[dict[str, Any]]) -> Any:
    """The value after the operations, in order.

    Raises:
        ApiError: 422, an operation's path does not exist or its test failed.
    """
    result = copy.deepcopy(value)
    for each in operations:
        try:
            result = _operate(result, each)
        except (KeyError, IndexError, ValueError, TypeError) as error:
            text = f"the server rejected our request due to an error in our request: {error!r}"
            raise ApiError(422, "Invalid", text) from error
    return result


def _pointer(text: str) -> list[str]:
    return [part.replace("~1", "/").replace("~0", "~") for part in text.split("/")[1:]]


def _look(value: Any, parts: list[str]) -> Any:
    for part in parts:
        value = value[int(part)] if isinstance(value, list) else value[part]
    return value


def _operate(root: Any, each: Mapping[str, Any]) -> Any:
    operation, parts = each["op"], _pointer(each["path"])
    if operation == "test":
        if _look(root, parts) != each.get("value"):
            raise ValueError(f"testing value {each['path']} failed")
        return root
    if operation in ("move", "copy"):
        moved = copy.deepcopy(_look(root, _pointer(each["from"])))
        if operation == "move":
            root = _operate(root, {"op": "remove", "path": each["from"]})
        return _operate(root, {"op": "add", "path": each["path"], "value": moved})
    if not parts:
        return each["value"]
    parent, last = _look(root, parts[:-1]), parts[-1]
    if isinstance(parent, list):
        _operate_list(parent, len(parent) if last == "-" else int(last), each)
    elif operation == "remove":
        del parent[last]
    else:
        if operation == "replace" and last not in parent:
            raise KeyError(each["path"])
        parent[last] = each["value"]
    return root


def _operate_list(items: list[Any], index: int, each: Mapping[str, Any]) -> None:
    if each["op"] == "add":
        items.insert(index, each["value"])
    elif each["op"] == "remove":
        del items[index]
    else:
        items[index] = each["value"]


# --- strategic ------------------------------------------------------------
_ORDER, _DELETE_FROM, _RETAIN = "$setElementOrder/", "$deleteFromPrimitiveList/", "$retainKeys"


def strategic(of: Type, value: Any, patch: Any) -> Any:
    """A merge patch in which lists with a merge key merge item by item."""
    if not isinstance(patch, dict):
        return patch
    directive = patch.get("$patch")
    if directive == "delete":
        return None
    result = dict(value) if isinstance(value, dict) and directive != "replace" else {}
    if _RETAIN in patch:
        result = {k: v for k, v in result.items() if k in patch[_RETAIN]}
    for name, item in patch.items():
        if name.startswith(_DELETE_FROM):
            field = name.removeprefix(_DELETE_FROM)
            result[field] = [x for x in result.get(field, []) if x not in item]
        elif not name.startswith("$"):
            _strategic_field(of.child(name) or ANY, result, name, item)
    for name, order in patch.items():
        if name.startswith(_ORDER):
            field = name.removeprefix(_ORDER)
            if result.get(field):
                result[field] = _ordered(of.child(field) or ANY, result[field], order)
    return result


def _strategic_field(child: Type, result: dict[str, Any], name: str, item: Any) -> None:
    if item is None:
        result.pop(name, None)
    elif isinstance(item, list) and "merge" in child.patch_strategy:
        result[name] = _strategic_list(child, result.get(name) or [], item)
    elif isinstance(item, dict):
        patched = strategic(child, result.get(name), item)
        if patched is None:
            result.pop(name, None)
        else:
            result[name] = patched
    else:
        result[name] = item


def _strategic_list(of: Type, items: list[Any], patch: list[Any]) -> list[Any]:
    key = of.patch_key
    if key is None:
        return items + [x for x in patch if x not in items]
    if any(x.get("$patch") == "replace" for x in patch):
        return [x for x in patch if "$patch" not in x]
    result = list(items)
    for each in patch:
        at = next((i for i, x in enumerate(result) if x.get(key) == each.get(key)), None)
        if each.get("$patch") == "delete":
            if at is not None:
                del result[at]
        elif at is None:
            result.append(strategic(of.element, {}, each))
        else:
            result[at] = strategic(of.element, result[at], each)
    return result


def _ordered(of: Type, items: list[Any], order: list[Any]) -> list[Any]:
    """In the patch's order; what it does not name keeps its place behind."""
    key = of.patch_key
    wanted = [x.get(key) if key else x for x in order]
    have = {(x.get(key) if key else x): x for x in items}
    return [have[k] for k in wanted if k in have] + [x for k, x in have.items() if k not in wanted]
