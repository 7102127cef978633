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

_KNOWN_MANAGERS = frozenset({MANAGER, SCALE_MANAGER, "kube-controller-manager"})

MANAGED_BY = "app.kubernetes.io/managed-by"
APP = "paas.dev/app"
PROCESS = "paas.dev/process"
RELEASE = "paas.dev/release"
ONE_OFF = "paas.dev/one-off"
"""Label of what `run` made; its value is the one-off's name, as "run.12"."""
CRON = "paas.dev/cron"
"""Label of a CronJob and of what it starts; its value is the task's id."""
NUMBER = "paas.dev/cron-number"
"""Label beside it: which of the app's tasks it is."""
PART = "paas.dev/part"
"""Label of Secrets: `environment`, `state`, `order` or `certificate`; and of what is `closed`."""
INDEX = "paas.dev/index"
"""Annotation of a pod: which of its type it is, once somebody has said so."""
NAME = "paas.dev/name"
"""Annotation: an app's or process type's name where the object's own had to differ."""
COMMAND = "paas.dev/command"
SIZE = "paas.dev/size"

OURS = f"{MANAGED_BY}={MANAGER}"
"""Selects all that any panel with this cluster has made."""

CLOSED = "closed"
"""What answers for an app in maintenance: no process type's object has this name."""
MOST = 52
"""Characters of an object's name: what a Deployment gives its pods stays below 63."""
_JOB_NAME = "batch.kubernetes.io/job-name"
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
        taken = plain == CLOSED or plain in given.values()
        given[name] = _marked(plain, name) if taken else plain
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


def one_off_name(body: Object) -> str:
    """A one-off's name, as "run.12", of its Job or pod; "" for what is none.

    The cluster's clock gives its own no number of ours: theirs is made of the
    minute they were due in and of their task's, as "cron.2938475003".
    """
    marks = body["metadata"].get("labels") or {}
    if CRON in marks and ONE_OFF not in marks:
        job = str(marks.get(_JOB_NAME) or body["metadata"]["name"])
        return f"cron.{job.rpartition('-')[2]}{int(marks.get(NUMBER, 0)):02}"
    return str(marks.get(ONE_OFF, ""))


def foreign_writers(body: Object) -> dict[str, str]:
    """Field manager → when it last wrote; those that are neither ours nor the cluster's own.

    Who writes through a subresource (`/status`, `/scale`) does not count.
    """
    return {
        str(one.get("manager")): str(one.get("time", ""))
        for one in body["metadata"].get("managedFields") or []
        if not one.get("subresource") and one.get("manager") not in _KNOWN_MANAGERS
    }


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
