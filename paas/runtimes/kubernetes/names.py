"""What objects are called and labelled: one place, so that what is ours is always found."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

Object = dict[str, Any]
"""A Kubernetes object as JSON."""

MANAGER = "paas"
"""Field manager of everything that is applied, and the value of `managed-by`."""
SCALE_MANAGER = "paas-scale"
"""Field manager of `replicas` alone: a release's body never has them."""

MANAGED_BY = "app.kubernetes.io/managed-by"
APP = "paas.dev/app"
PROCESS = "paas.dev/process"
RELEASE = "paas.dev/release"
ONE_OFF = "paas.dev/one-off"
"""Label of what `run` made; its value is the one-off's name, as "run.12"."""
PART = "paas.dev/part"
"""Label of Secrets: `environment`, `state` or `order`."""
INDEX = "paas.dev/index"
"""Annotation of a pod: which of its type it is, once somebody has said so."""
NAME = "paas.dev/name"
"""Annotation: an app's or process type's name where the object's own had to differ."""
COMMAND = "paas.dev/command"
SIZE = "paas.dev/size"

OURS = f"{MANAGED_BY}={MANAGER}"
"""Selects all that any panel with this cluster has made."""

MOST = 52
"""Characters of an object's name: what a Deployment gives its pods stays below 63."""
_WRONG = re.compile(r"[^a-z0-9-]+")


def object_name(name: str) -> str:
    """`name` as Kubernetes wants it: lower case, dashes for underscores, 52 characters at most.

    One that had to be changed further, or cut, ends in a hash of the true name.
    """
    simple = name.lower().replace("_", "-")
    plain = _WRONG.sub("-", simple).strip("-")
    if plain == simple and len(plain) <= MOST and plain[:1].isalpha():
        return plain
    return _marked(plain, name)


def object_names(names: Iterable[str]) -> dict[str, str]:
    """Name → object's name; of several that would get the same one, all but one are marked."""
    given: dict[str, str] = {}
    for name in sorted(names, key=lambda name: (object_name(name) != name, name)):
        plain = object_name(name)
        given[name] = plain if plain not in given.values() else _marked(plain, name)
    return given


def _marked(plain: str, name: str) -> str:
    mark = hashlib.sha256(name.encode()).hexdigest()[:8]
    start = plain if plain[:1].isalpha() else f"p-{plain}"
    return f"{start[: MOST - 9].rstrip('-')}-{mark}"


def namespace_of(prefix: str, app_id: str) -> str:
    """The namespace of an app: by its id, which a rename leaves alone."""
    return prefix + app_id


def labels(app_id: str, **more: str) -> dict[str, str]:
    """Of everything that belongs to an app."""
    return {MANAGED_BY: MANAGER, APP: app_id, **more}


def selector(app_id: str) -> str:
    return f"{OURS},{APP}={app_id}"


def canonical(body: Object) -> str:
    """The same body, the same text."""
    return json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def digest(data: object) -> str:
    """Twelve characters that stand for `data`."""
    text = json.dumps(data, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def clean(value: Any) -> Any:
    """`value` without None and empty maps or lists, which make the server write for nothing.

    An `emptyDir: {}` and a `podSelector: {}` mean something: they are kept.
    """
    if isinstance(value, Mapping):
        cleaned = {key: clean(part) for key, part in value.items()}
        return {
            key: part
            for key, part in cleaned.items()
            if part is not None and (part not in ({}, []) or key in _MEANINGFUL)
        }
    if isinstance(value, list | tuple):
        return [clean(part) for part in value]
    return value


_MEANINGFUL = frozenset({"emptyDir", "podSelector", "namespaceSelector"})
