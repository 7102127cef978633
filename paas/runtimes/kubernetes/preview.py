"""What a release would change, told by the server's own dry run; nothing is written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from paas.runtimes.base import AppSpec
from paas.runtimes.kubernetes.client import Client
from paas.runtimes.kubernetes.cluster import Cluster, routes_of
from paas.runtimes.kubernetes.errors import Conflict, Gone
from paas.runtimes.kubernetes.kinds import DEPLOYMENT, NAMESPACE, SECRET, SERVICE_ACCOUNT
from paas.runtimes.kubernetes.names import Object, selector
from paas.runtimes.kubernetes.objects import AppObjects
from paas.runtimes.kubernetes.pruning import LISTED
from paas.runtimes.kubernetes.rollout import rolls_of
from paas.runtimes.kubernetes.routes import routing_of
from paas.runtimes.kubernetes.verdict import owner_of

_OWN = frozenset(
    {"managedFields", "resourceVersion", "generation", "uid", "creationTimestamp", "selfLink"}
)
"""Metadata that the server writes."""
_REVISION = "deployment.kubernetes.io/revision"
_ABSENT = "(none)"


def changes(cluster: Cluster, spec: AppSpec) -> Iterator[str]:
    """Lines: `+ Kind name`, `- Kind name`, `~ Kind name path: before → after`."""
    state = cluster.states.read(cluster.namespace(spec.app_id), spec.app_id)
    objects = AppObjects(cluster.settings, spec, rolls_of(spec, state.folds))
    there = _present(cluster, spec.app_id, objects.namespace)
    wanted = [
        *objects.ground(),
        *objects.deployments(),
        *objects.companions(),
        *routes_of(cluster, spec.app_id, state.routed(routing_of(spec))),
    ]
    for body in wanted:
        yield from _change(cluster.client, body, there)
    names = {(body["kind"], body["metadata"]["name"]) for body in wanted}
    pruned = {kind.name for kind in (DEPLOYMENT, *LISTED)}
    for (kind, name), body in there.items():
        if kind in pruned and (kind, name) not in names and not owner_of(body):
            yield f"- {kind} {name}"


def _present(cluster: Cluster, app_id: str, namespace: str) -> dict[tuple[str, str], Object]:
    found = {}
    for kind in (SERVICE_ACCOUNT, SECRET, DEPLOYMENT, *LISTED):
        for body in cluster.client.items(kind, namespace, labels=selector(app_id)):
            found[kind.name, body["metadata"]["name"]] = body
    own = cluster.find_namespace(namespace)
    return found | ({(NAMESPACE.name, namespace): own} if own else {})


def _change(client: Client, body: Object, there: Mapping[tuple[str, str], Object]) -> Iterator[str]:
    kind, name = body["kind"], body["metadata"]["name"]
    live = there.get((kind, name))
    if live is None:
        yield f"+ {kind} {name}"
        return
    try:
        after = client.apply(body, dry_run=True)
    except Gone:
        yield f"+ {kind} {name}"
        return
    except Conflict as error:
        yield f"! {error}"
        return
    before, now = _flat(_bare(live)), _flat(_bare(after))
    for path in sorted(before.keys() | now.keys()):
        if before.get(path) != now.get(path) and kind != SECRET.name:
            was, becomes = before.get(path, _ABSENT), now.get(path, _ABSENT)
            yield f"~ {kind} {name} {path}: {was} → {becomes}"


def _bare(body: Object) -> Object:
    """Without what only the server writes."""
    metadata = {key: value for key, value in body["metadata"].items() if key not in _OWN}
    annotations = dict(metadata.get("annotations") or {})
    annotations.pop(_REVISION, None)
    rest = {
        key: v for key, v in body.items() if key not in ("metadata", "status", "kind", "apiVersion")
    }
    return {**rest, "metadata": {**metadata, "annotations": annotations}}


def _flat(value: Any, path: str = "") -> dict[str, Any]:
    """Leaves by their path."""
    if isinstance(value, Mapping):
        parts = [(f"{path}.{key}".removeprefix("."), part) for key, part in value.items()]
    elif isinstance(value, list):
        parts = [(f"{path}[{_key(part, index)}]", part) for index, part in enumerate(value)]
    else:
        return {path: value}
    return {at: leaf for key, part in parts for at, leaf in _flat(part, key).items()}


def _key(part: Any, index: int) -> Any:
    return part["name"] if isinstance(part, Mapping) and "name" in part else index
