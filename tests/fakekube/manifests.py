"""Strict validation of what the server is sent, for each supported minor version."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

import jsonschema
from kubernetes_validate.utils import all_versions, schema_contents
from referencing import Registry, Resource

from .errors import Json
from .kinds import Kind

MINORS = ("1.34", "1.35", "1.36")
"""The three newest that k3s supports."""


@lru_cache
def _definitions(version: str) -> Resource[Any]:
    path = f"kubernetes-json-schema/v{version}-local-strict/_definitions.json"
    return Resource.from_contents(schema_contents(path, version))


@lru_cache
def _validator(kind: Kind, minor: str) -> Any:
    """The library's own schema, kept: reading it anew takes longer than validating."""
    version = next(each for each in all_versions() if each.startswith(minor))
    api = re.sub(r"^([^./]*)(?:\.[^/]*)?/", r"\1-", kind.api_version)
    name = f"kubernetes-json-schema/v{version}-local-strict/{kind.kind.lower()}-{api}.json"
    schema = schema_contents(name, version)
    registry: Registry[Any] = _definitions(version) @ (Resource.from_contents(schema) @ Registry())
    return jsonschema.validators.Draft202012Validator(schema, registry=registry)


def faults_of(kind: Kind, obj: Json, *, partial: bool) -> list[str]:
    """Why an object is not valid, by version.

    Args:
        partial: it is the body of an apply, which may leave required fields
            to others.
    """
    found = []
    for minor in MINORS if kind.schema else ():
        for error in _validator(kind, minor).iter_errors(obj):
            if not (partial and _only_missing(error)):
                where = ".".join(str(part) for part in error.absolute_path)
                found.append(f"{minor}: {kind.kind} {_name(obj)}: {where}: {error.message}")
    return found


def _only_missing(error: Any) -> bool:
    if error.validator == "required":
        return True
    return bool(error.context) and all(_only_missing(each) for each in error.context)


def _name(obj: Json) -> str:
    metadata = obj.get("metadata") or {}
    return f"{metadata.get('namespace', '')}/{metadata.get('name', '')}"
