"""Deleting what is ours and no longer asked for; what others made is never touched."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from paas.runtimes.kubernetes.client import Client
from paas.runtimes.kubernetes.errors import Moved
from paas.runtimes.kubernetes.kinds import (
    AUTOSCALER,
    BUDGET,
    CRON_JOB,
    DEPLOYMENT,
    HTTP_ROUTE,
    INGRESS,
    MIDDLEWARE,
    NETWORK_POLICY,
    SECRET,
    SERVICE,
    Kind,
)
from paas.runtimes.kubernetes.names import PART, Object, selector
from paas.runtimes.kubernetes.together import together
from paas.runtimes.kubernetes.verdict import owner_of

LISTED = (
    *(SERVICE, INGRESS, HTTP_ROUTE, MIDDLEWARE, NETWORK_POLICY, BUDGET, AUTOSCALER, CRON_JOB),
)
"""Kinds of which everything with an app's label is in its spec, or is deleted."""
_YOUNG = timedelta(minutes=10)
"""An environment is written a moment before the pod that needs it."""
SECRET_OF_ORDER = "paas.dev/environment"  # noqa: S105 - an annotation's name
"""Annotation of a waiting one-off's order: the Secret its pod will need."""


def prune(
    client: Client,
    namespace: str,
    app_id: str,
    desired: Iterable[Object],
    deployments: Iterable[Object],
    users: Iterable[Object],
) -> None:
    """Delete what an app has beyond `desired`.

    Args:
        deployments: those it has.
        users: ReplicaSets and pods, whose environments must stay.
    """
    desired = list(desired)
    wanted = {(body["kind"], body["metadata"]["name"]) for body in desired}
    for body in deployments:
        if (DEPLOYMENT.name, body["metadata"]["name"]) not in wanted:
            _delete(client, DEPLOYMENT, namespace, body)
    found = together(
        lambda kind: client.items(kind, namespace, labels=selector(app_id)), (*LISTED, SECRET)
    )
    *lists, secrets = found
    for kind, bodies in zip(LISTED, lists, strict=True):
        for body in bodies:
            if (kind.name, body["metadata"]["name"]) not in wanted and not owner_of(body):
                _delete(client, kind, namespace, body)
    _prune_secrets(client, namespace, secrets, [*desired, *users])


def _prune_secrets(
    client: Client, namespace: str, secrets: Iterable[Object], users: Iterable[Object]
) -> None:
    used = {name for body in users for name in _environments(body)}
    used.update(str(_annotations(one).get(SECRET_OF_ORDER)) for one in secrets)
    used.update(body["metadata"]["name"] for body in users if body.get("kind") == SECRET.name)
    young = (datetime.now(UTC) - _YOUNG).strftime("%Y-%m-%dT%H:%M:%SZ")
    for one in secrets:
        meta = one["metadata"]
        by_contents = (meta.get("labels") or {}).get(PART) in ("environment", "certificate")
        if by_contents and meta["name"] not in used and meta["creationTimestamp"] < young:
            _delete(client, SECRET, namespace, one)


def _environments(body: Object) -> Iterable[str]:
    """The Secrets that the pods of a workload, or a pod, need to start."""
    spec = body.get("spec") or {}
    spec = (spec.get("jobTemplate") or {}).get("spec") or spec
    pod = ((spec.get("template") or {}).get("spec")) or spec
    for container in pod.get("containers") or []:
        for source in container.get("envFrom") or []:
            if "secretRef" in source:
                yield str(source["secretRef"]["name"])


def _annotations(body: Object) -> Object:
    return body["metadata"].get("annotations") or {}


def _delete(client: Client, kind: Kind, namespace: str, body: Object) -> None:
    """Only this very one: somebody may have made another of the name meanwhile."""
    try:
        client.delete(kind, namespace, body["metadata"]["name"], uid=body["metadata"]["uid"])
    except Moved:
        return
