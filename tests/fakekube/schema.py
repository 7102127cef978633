"""Types of objects, from Kubernetes' own OpenAPI definitions.

`kubernetes-validate` ships them with the markers that matter to a server:
which lists are sets, which are keyed and by what, what is atomic and how a
strategic merge patch treats a list.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property, lru_cache
from importlib.resources import files
from typing import Any

import orjson

from .kinds import KINDS, Kind
from .quantity import canonical

VERSION = "1.36.0"
_QUANTITY = "io.k8s.apimachinery.pkg.api.resource.Quantity"
_META = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
_KEY_DEFAULTS = {"protocol": "TCP"}
"""Values of list keys that may be left out (ports are keyed by port and protocol)."""


@lru_cache
def definitions() -> dict[str, dict[str, Any]]:
    """All definitions by name."""
    path = files("kubernetes_validate") / "kubernetes-json-schema" / f"v{VERSION}-local"
    found: dict[str, dict[str, Any]] = orjson.loads((path / "_definitions.json").read_bytes())
    return found["$defs"]


class Type:
    """One node of a schema. Shapes: struct, map, list (atomic), set, keyed, a scalar, any."""

    def __init__(self, raw: Mapping[str, Any]) -> None:
        self.is_quantity = raw.get("$ref", "").endswith(_QUANTITY)
        if "$ref" in raw:
            name = raw["$ref"].removeprefix("#/$defs/")
            raw = {**definitions()[name], **{k: v for k, v in raw.items() if k != "$ref"}}
        self.raw = raw
        self.shape = self._shape()
        self.atomic = self.shape == "list" or raw.get("x-kubernetes-map-type") == "atomic"
        self.keys: tuple[str, ...] = tuple(raw.get("x-kubernetes-list-map-keys", ()))
        self.required: frozenset[str] = frozenset(raw.get("required", ()))
        self.patch_key: str | None = raw.get("x-kubernetes-patch-merge-key")
        self.patch_strategy: str = raw.get("x-kubernetes-patch-strategy", "")

    def _shape(self) -> str:
        kind = self.raw.get("type")
        kind = (
            next((each for each in kind if each != "null"), None)
            if isinstance(kind, list)
            else kind
        )
        if kind == "array":
            relation = self.raw.get("x-kubernetes-list-type", "atomic")
            return {"map": "keyed", "set": "set"}.get(relation, "list")
        if kind == "object":
            if "properties" in self.raw:
                return "struct"
            return "map" if "additionalProperties" in self.raw else "any"
        if kind in ("string", "integer", "boolean", "number"):
            return str(kind)
        return "any"

    @cached_property
    def fields(self) -> dict[str, Type]:
        """A struct's fields."""
        return {name: Type(raw) for name, raw in self.raw.get("properties", {}).items()}

    @cached_property
    def element(self) -> Type:
        """A list's items or a map's values."""
        items = self.raw.get("items", self.raw.get("additionalProperties"))
        return Type(items) if isinstance(items, dict) else ANY

    def child(self, name: str) -> Type | None:
        """The type of a field or of a map's value; None if there is no such field."""
        if self.shape == "struct":
            return self.fields.get(name)
        return self.element if self.shape == "map" else ANY

    def keyed_by(self, item: Mapping[str, Any]) -> dict[str, Any]:
        """What identifies an item of a keyed list."""
        return {key: item.get(key, _KEY_DEFAULTS.get(key)) for key in self.keys}


ANY = Type({})


@lru_cache
def type_of(kind: Kind) -> Type:
    """A kind's type. Custom resources have typed metadata, and lists that are atomic."""
    if kind.schema:
        return Type({"$ref": f"#/$defs/{kind.schema}"})
    return Type(
        {
            "type": "object",
            "properties": {
                "apiVersion": {"type": "string"},
                "kind": {"type": "string"},
                "metadata": {"$ref": f"#/$defs/{_META}"},
                "spec": {},
                "status": {},
            },
        }
    )


def names() -> list[str]:
    """The definitions of all kinds that are served."""
    return [kind.schema for kind in KINDS if kind.schema]


# --- complaints -----------------------------------------------------------
def dotted(path: tuple[str, ...]) -> str:
    """A path of `fields` as messages show it: .spec.containers[name="web"].image"""
    text = ""
    for part in path:
        mark, rest = part[0], part[2:]
        if mark == "f":
            text += f".{rest}"
        elif mark == "k":
            pairs = orjson.loads(rest).items()
            text += "[" + ",".join(f"{k}={orjson.dumps(v).decode()}" for k, v in pairs) + "]"
        else:
            text += f"[{rest}]"
    return text


def complaints(of: Type, value: Any, path: str = "") -> Iterator[str]:
    """Why a value does not fit its type, in structured-merge-diff's words."""
    if value is None or of.shape == "any":
        return
    yield from _CHECKS[of.shape](of, value, path)


def _check_struct(of: Type, value: Any, path: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{path}: expected map, got &{{{value}}}"
        return
    for name, item in value.items():
        child = of.child(name)
        if child is None:
            yield f"{path}.{name}: field not declared in schema"
        else:
            yield from complaints(child, item, f"{path}.{name}")


def _check_list(of: Type, value: Any, path: str) -> Iterator[str]:
    if not isinstance(value, list):
        yield f"{path}: expected list, got &{{{value}}}"
        return
    seen: set[str] = set()
    for index, item in enumerate(value):
        where = f"[{index}]"
        if of.shape == "keyed" and isinstance(item, dict):
            key = of.keyed_by(item)
            lacking = next((k for k, v in key.items() if v is None), None)
            if lacking:
                yield (
                    f"{path}: element {index}: associative list with keys has an element that"
                    f' omits key field "{lacking}" (and doesn\'t have default value)'
                )
            where = "[" + ",".join(f"{k}={orjson.dumps(v).decode()}" for k, v in key.items()) + "]"
        elif of.shape == "set":
            where = f"[{orjson.dumps(item).decode()}]"
        if of.shape in ("keyed", "set"):
            if where in seen:
                yield f"{path}: duplicate entries for key {where}"
            seen.add(where)
        yield from complaints(of.element, item, path + where)


def bad_quantities(of: Type, value: Any, path: str = "") -> Iterator[str]:
    """Where quantities are none."""
    if of.is_quantity:
        try:
            canonical(value)
        except ValueError:
            yield path
    elif isinstance(value, dict):
        for name, item in value.items():
            yield from bad_quantities(of.child(name) or ANY, item, f"{path}.{name}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from bad_quantities(of.element, item, f"{path}[{index}]")


def _check_scalar(of: Type, value: Any, path: str) -> Iterator[str]:
    fits = {
        "string": isinstance(value, str),
        "boolean": isinstance(value, bool),
        "integer": isinstance(value, int) and not isinstance(value, bool),
        "number": isinstance(value, (int, float)) and not isinstance(value, bool),
    }[of.shape]
    if fits:
        return
    go = {str: "string", bool: "bool", int: "int64", float: "float64"}.get(type(value), "map")
    if of.shape == "string":
        shown = orjson.dumps(value).decode()
        yield f"{path}: expected string, got &value.valueUnstructured{{Value:{shown}}}"
    elif of.shape == "boolean":
        yield f"{path}: expected boolean, got {go}"
    else:
        yield f"{path}: expected numeric (int or float), got {go}"


_CHECKS = {
    "struct": _check_struct, "map": _check_struct,
    "list": _check_list, "set": _check_list, "keyed": _check_list,
    "string": _check_scalar, "boolean": _check_scalar,
    "integer": _check_scalar, "number": _check_scalar,
}  # fmt: skip


# --- the stored form ------------------------------------------------------
def normal(of: Type, value: Any) -> Any:
    """A value as the real server would have it after decoding into Go and back.

    Nulls, empty lists and empty maps vanish, so do empty strings of optional
    fields; an empty struct stays (`emptyDir: {}`), and quantities become
    canonical.
    """
    if of.is_quantity:
        return _quantity(value)
    if isinstance(value, list):
        return [normal(of.element, item) for item in value]
    if not isinstance(value, dict):
        return value
    kept = {}
    for name, item in value.items():
        child = of.child(name) or ANY
        stored = normal(child, item)
        if not _vanishes(of, name, child, stored):
            kept[name] = stored
    return kept


def _quantity(value: Any) -> Any:
    try:
        return canonical(value)
    except ValueError:
        return value  # validation complains


def _vanishes(of: Type, name: str, child: Type, stored: Any) -> bool:
    if stored is None:
        return True
    if stored == [] or (stored == {} and child.shape == "map"):
        return of.shape == "struct"
    return stored == "" and of.shape == "struct" and name not in of.required
