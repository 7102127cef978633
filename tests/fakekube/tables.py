"""Tables and bare metadata: the forms in which `kubectl get` and pruning ask for objects."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from .errors import Json
from .kinds import Kind

Row = list[Any]


def age(obj: Json) -> str:
    """As kubectl prints it: 42s, 5m, 3h, 2d."""
    since = datetime.strptime(obj["metadata"]["creationTimestamp"], "%Y-%m-%dT%H:%M:%S%z")
    seconds = max(0, int((datetime.now(UTC) - since).total_seconds()))
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= 2 * size:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def reason(pod: Json) -> str:
    """The STATUS word: a container's reason before the phase."""
    status = pod.get("status", {})
    if "deletionTimestamp" in pod["metadata"]:
        return "Terminating"
    for each in status.get("containerStatuses", []):
        for state in ("waiting", "terminated"):
            found = each["state"].get(state)
            if found and found.get("reason"):
                return str(found["reason"])
    return str(status.get("reason") or status.get("phase", "Unknown"))


def _pod(obj: Json) -> Row:
    statuses = obj.get("status", {}).get("containerStatuses", [])
    ready = sum(1 for each in statuses if each["ready"])
    restarts = sum(each["restartCount"] for each in statuses)
    return [f"{ready}/{len(obj['spec']['containers'])}", reason(obj), restarts, age(obj)]


def _deployment(obj: Json) -> Row:
    status = obj.get("status", {})
    return [
        f"{status.get('readyReplicas', 0)}/{obj['spec']['replicas']}",
        status.get("updatedReplicas", 0),
        status.get("availableReplicas", 0),
        age(obj),
    ]


def _replica_set(obj: Json) -> Row:
    status = obj.get("status", {})
    return [
        obj["spec"]["replicas"],
        status.get("replicas", 0),
        status.get("readyReplicas", 0),
        age(obj),
    ]


def _service(obj: Json) -> Row:
    spec = obj["spec"]
    ports = ",".join(f"{p['port']}/{p['protocol']}" for p in spec.get("ports", []))
    return [spec["type"], spec.get("clusterIP", ""), "<none>", ports or "<none>", age(obj)]


def _job(obj: Json) -> Row:
    status = obj.get("status", {})
    true = [c["type"] for c in status.get("conditions", []) if c["status"] == "True"]
    word = next((t for t in ("Complete", "Failed", "Suspended") if t in true), "Running")
    return [word, f"{status.get('succeeded', 0)}/{obj['spec'].get('completions', 1)}", age(obj)]


def _node(obj: Json) -> Row:
    word = "Ready,SchedulingDisabled" if obj["spec"].get("unschedulable") else "Ready"
    return [word, "<none>", age(obj), obj["status"]["nodeInfo"]["kubeletVersion"]]


def _namespace(obj: Json) -> Row:
    return [obj["status"]["phase"], age(obj)]


def _secret(obj: Json) -> Row:
    return [obj.get("type", ""), len(obj.get("data") or {}), age(obj)]


def _event(obj: Json) -> Row:
    about = obj["involvedObject"]
    target = f"{about['kind'].lower()}/{about['name']}"
    return [age(obj), obj.get("type"), obj.get("reason"), target, obj.get("message")]


_COLUMNS: dict[str, tuple[str, Callable[[Json], Row]]] = {
    "Pod": ("Ready Status Restarts Age", _pod),
    "Deployment": ("Ready Up-to-date Available Age", _deployment),
    "ReplicaSet": ("Desired Current Ready Age", _replica_set),
    "Service": ("Type Cluster-IP External-IP Port(s) Age", _service),
    "Job": ("Status Completions Age", _job),
    "Node": ("Status Roles Age Version", _node),
    "Namespace": ("Status Age", _namespace),
    "Secret": ("Type Data Age", _secret),
    "Event": ("Last-Seen Type Reason Object Message", _event),
}
_PLAIN: tuple[str, Callable[[Json], Row]] = ("Age", lambda obj: [age(obj)])


def table(kind: Kind, objects: list[Json], metadata: Json) -> Json:
    """A `Table` with kubectl's usual columns."""
    names, row = _COLUMNS.get(kind.kind, _PLAIN)
    columns = ["Name", *names.split()] if kind.kind != "Event" else names.split()
    rows = []
    for obj in objects:
        cells = row(obj) if kind.kind == "Event" else [obj["metadata"]["name"], *row(obj)]
        rows.append({"cells": cells, "object": bare(obj)})
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": metadata,
        "columnDefinitions": [
            {
                "name": name, "type": "string", "format": "name" if name == "Name" else "",
                "description": "", "priority": 0,
            }
            for name in columns
        ],
        "rows": rows,
    }  # fmt: skip


def bare(obj: Json) -> Json:
    """A `PartialObjectMetadata`."""
    return {
        "kind": "PartialObjectMetadata",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": obj["metadata"],
    }
