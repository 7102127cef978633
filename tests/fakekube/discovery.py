"""Discovery: versions, groups and resources, in the old form and the aggregated, and OpenAPI v3."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from .errors import Json
from .kinds import KINDS, Kind
from .schema import definitions

VERSION: Json = {
    "major": "1",
    "minor": "36",
    "gitVersion": "v1.36.2+fakekube",
    "gitCommit": "0" * 40,
    "gitTreeState": "clean",
    "buildDate": "2026-07-01T00:00:00Z",
    "goVersion": "go1.26",
    "compiler": "gc",
    "platform": "linux/amd64",
}
AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
_SUBKINDS = {
    "scale": ("autoscaling", "v1", "Scale", ["get", "patch", "update"]),
    "eviction": ("policy", "v1", "Eviction", ["create"]),
    "token": ("authentication.k8s.io", "v1", "TokenRequest", ["create"]),
    "log": ("", "v1", "Pod", ["get"]),
    "attach": ("", "v1", "PodAttachOptions", ["create", "get"]),
    "exec": ("", "v1", "PodExecOptions", ["create", "get"]),
}


def groups() -> dict[str, list[str]]:
    """Versions by group, the core group as ""."""
    found: dict[str, list[str]] = {}
    for kind in KINDS:
        versions = found.setdefault(kind.group, [])
        if kind.version not in versions:
            versions.append(kind.version)
    return found


def api_versions(*, aggregated: bool) -> Json:
    """GET /api"""
    if aggregated:
        return _aggregated([""])
    return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}


def api_groups(*, aggregated: bool, without: frozenset[str]) -> Json:
    """GET /apis; without: groups whose API is not installed."""
    present = [name for name in groups() if name and name not in without]
    if aggregated:
        return _aggregated(present)
    rows = []
    for name in present:
        versions = [{"groupVersion": f"{name}/{v}", "version": v} for v in groups()[name]]
        rows.append({"name": name, "versions": versions, "preferredVersion": versions[0]})
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": rows}


def _subresource(kind: Kind, name: str) -> tuple[str, str, str, list[str]]:
    own = (kind.group, kind.version, kind.kind, ["get", "patch", "update"])
    return _SUBKINDS.get(name, own)


def _aggregated(names: list[str]) -> Json:
    items = []
    for name in names:
        versions = []
        for version in groups()[name]:
            kinds = [k for k in KINDS if (k.group, k.version) == (name, version)]
            resources = [_described(kind) for kind in kinds]
            versions.append({"version": version, "resources": resources, "freshness": "Current"})
        items.append({"metadata": {"name": name} if name else {}, "versions": versions})
    return {
        "kind": "APIGroupDiscoveryList",
        "apiVersion": "apidiscovery.k8s.io/v2",
        "metadata": {},
        "items": items,
    }


def _described(kind: Kind) -> Json:
    subs = []
    for name in kind.subresources:
        group, version, called, verbs = _subresource(kind, name)
        what = {"group": group, "version": version, "kind": called}
        subs.append({"subresource": name, "responseKind": what, "verbs": verbs})
    return {
        "resource": kind.plural,
        "responseKind": {"group": kind.group, "version": kind.version, "kind": kind.kind},
        "scope": "Namespaced" if kind.namespaced else "Cluster",
        "singularResource": kind.kind.lower(),
        "verbs": list(kind.verbs),
        "shortNames": list(kind.short),
        "categories": list(kind.categories),
        "subresources": subs,
    }


def resources(group: str, version: str) -> Json | None:
    """GET /api/v1 or /apis/GROUP/VERSION; None if there is no such version."""
    rows = []
    for kind in KINDS:
        if (kind.group, kind.version) != (group, version):
            continue
        row: Json = {
            "name": kind.plural, "singularName": kind.kind.lower(), "namespaced": kind.namespaced,
            "kind": kind.kind, "verbs": list(kind.verbs), "categories": list(kind.categories),
            "shortNames": list(kind.short),
        }  # fmt: skip
        rows.append({k: v for k, v in row.items() if v != []})
        for name in kind.subresources:
            of_group, of_version, called, verbs = _subresource(kind, name)
            rows.append(
                {"name": f"{kind.plural}/{name}", "singularName": "", "group": of_group,
                 "version": of_version, "namespaced": kind.namespaced, "kind": called,
                 "verbs": verbs}
            )  # fmt: skip
    if not rows:
        return None
    where = f"{group}/{version}" if group else version
    return {
        "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": where, "resources": rows,
    }  # fmt: skip


# --- OpenAPI --------------------------------------------------------------
def openapi_index() -> Json:
    """GET /openapi/v3"""
    paths = {}
    for kind in KINDS:
        path = kind.prefix.lstrip("/")
        paths[path] = {"serverRelativeURL": f"/openapi/v3/{path}?hash=fakekube"}
    return {"paths": paths}


@lru_cache
def openapi(path: str) -> Json | None:
    """GET /openapi/v3/PATH: the schemas of a version and how its objects are patched."""
    kinds = [kind for kind in KINDS if kind.prefix == f"/{path}"]
    if not kinds:
        return None
    schemas: Json = {}
    paths: Json = {}
    for kind in kinds:
        if kind.schema:
            _collect(kind.schema, schemas)
        where = "/namespaces/{namespace}" if kind.namespaced else ""
        paths[f"{kind.prefix}{where}/{kind.plural}/{{name}}"] = _operations(kind)
    return {
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": VERSION["gitVersion"]},
        "paths": paths,
        "components": {"schemas": schemas},
    }


def _operations(kind: Kind) -> Json:
    what = {"group": kind.group, "version": kind.version, "kind": kind.kind}
    query = [
        {"name": name, "in": "query", "schema": {"type": "string", "uniqueItems": True}}
        for name in ("dryRun", "fieldManager", "fieldValidation", "force")
    ]
    done = {"responses": {"200": {"description": "OK"}}, "x-kubernetes-group-version-kind": what}
    verbs = {"patch": "patch", "put": "put", "get": "get", "delete": "delete"}
    return {
        verb: {**done, "parameters": query, "x-kubernetes-action": action}
        for verb, action in verbs.items()
    }


def _collect(name: str, into: Json) -> None:
    if name in into:
        return
    into[name] = {}
    raw = definitions()[name]
    into[name] = _plain(raw)
    for reference in _references(raw):
        _collect(reference, into)


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, item in value.items():
            if key == "$ref":
                yield item.removeprefix("#/$defs/")
            else:
                yield from _references(item)
    elif isinstance(value, list):
        for item in value:
            yield from _references(item)


def _plain(value: Any) -> Any:
    """Without JSON Schema's way to say nullable, which OpenAPI 3.0 does not know."""
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if not isinstance(value, dict):
        return value
    result = {}
    for key, item in value.items():
        if key == "$ref":
            result["allOf"] = [{"$ref": item.replace("#/$defs/", "#/components/schemas/")}]
        elif key == "type" and isinstance(item, list):
            result["type"] = next(each for each in item if each != "null")
        else:
            result[key] = _plain(item)
    if set(result) == {"allOf"}:
        return result["allOf"][0]
    return result
