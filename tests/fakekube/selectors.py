"""Label and field selectors, as text in a query and as objects in a spec."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from .errors import Json, bad_request

Test = Callable[[Json], bool]

_SET = re.compile(r"^\s*([^\s!=,()]+)\s+(in|notin)\s+\(([^)]*)\)\s*$")
_EQUAL = re.compile(r"^\s*([^\s!=,()]+)\s*(==|=|!=)\s*([^\s,()]*)\s*$")
_EXISTS = re.compile(r"^\s*(!?)\s*([^\s!=,()]+)\s*$")


def _split(text: str) -> list[str]:
    return [part for part in re.split(r",(?![^(]*\))", text) if part.strip()]


def _requirement(part: str) -> Callable[[Mapping[str, str]], bool]:
    if found := _SET.match(part):
        key, operator, raw = found.groups()
        values = {value.strip() for value in raw.split(",")}
        wanted = operator == "in"
        return lambda labels: (labels.get(key) in values) == wanted
    if found := _EQUAL.match(part):
        key, operator, value = found.groups()
        same = operator != "!="
        return lambda labels: (labels.get(key) == value) == same
    if found := _EXISTS.match(part):
        absent, key = found.groups()
        return lambda labels: (key in labels) != bool(absent)
    raise bad_request(f"unable to parse requirement: found '{part}', expected: identifier")


def by_labels(text: str) -> Test:
    """From `a=b,c in (d,e),!f`."""
    requirements = [_requirement(part) for part in _split(text)]
    return lambda obj: all(fits(obj["metadata"].get("labels") or {}) for fits in requirements)


def by_fields(text: str) -> Test:
    """From `metadata.name=x,spec.nodeName!=y`; paths that are missing count as empty."""
    tests = []
    for part in _split(text):
        found = _EQUAL.match(part)
        if not found:
            raise bad_request(f"invalid selector: '{text}'; can't understand '{part}'")
        tests.append(found.groups())

    def fits(obj: Json) -> bool:
        return all((_at(obj, path) == value) == (op != "!=") for path, op, value in tests)

    return fits


def _at(obj: Any, path: str) -> str:
    for part in path.split("."):
        obj = obj.get(part) if isinstance(obj, dict) else None
    if obj is None:
        return ""
    return str(obj).lower() if isinstance(obj, bool) else str(obj)


def by_spec(selector: Mapping[str, Any] | None) -> Callable[[Mapping[str, str]], bool]:
    """From a LabelSelector of a spec; None selects nothing, {} everything."""
    if selector is None:
        return lambda labels: False
    pairs = selector.get("matchLabels") or {}
    rules = selector.get("matchExpressions") or []

    def fits(labels: Mapping[str, str]) -> bool:
        return all(labels.get(k) == v for k, v in pairs.items()) and all(
            _expression(rule, labels) for rule in rules
        )

    return fits


def _expression(rule: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    value = labels.get(rule["key"])
    operator = rule["operator"]
    if operator in ("In", "NotIn"):
        return bool((value in rule.get("values", [])) == (operator == "In"))
    return bool((value is not None) == (operator == "Exists"))
