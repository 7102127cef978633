"""What controllers share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..clock import stamp
from ..errors import Json
from ..kinds import Kind, named
from ..store import Event

if TYPE_CHECKING:
    from ..cluster import Cluster

Keys = Iterator[tuple[str, str]]


class Controller:
    """Looks at keys (namespace, name) that events bring."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.store, self.verbs, self.clock = cluster.store, cluster.verbs, cluster.clock

    def keys_of(self, event: Event) -> Keys:
        """Which keys a change concerns."""
        raise NotImplementedError

    def reconcile(self, namespace: str, name: str) -> None:
        """The next step for a key; it may have gone."""
        raise NotImplementedError

    def again(self, namespace: str, name: str, seconds: float) -> None:
        """Another look after cluster seconds."""
        self.cluster.later(seconds, lambda: self.cluster.enqueue(self, namespace, name))


def key_of(obj: Json) -> tuple[str, str]:
    return obj["metadata"].get("namespace", ""), obj["metadata"]["name"]


def owner_keys(obj: Json, kind: str) -> Keys:
    """The controlling owner of a kind, if any."""
    for reference in obj["metadata"].get("ownerReferences", []):
        if reference["kind"] == kind:
            yield obj["metadata"].get("namespace", ""), reference["name"]


def owned_by(kind: Kind, owner: Json) -> list[Json]:
    """An ownerReference to a controller."""
    metadata = owner["metadata"]
    return [
        {"apiVersion": kind.api_version, "kind": kind.kind, "name": metadata["name"],
         "uid": metadata["uid"], "controller": True, "blockOwnerDeletion": True}
    ]  # fmt: skip


def condition(kind: str, is_true: bool, reason: str = "", message: str = "") -> Json:
    """A condition that turns now."""
    found = {"type": kind, "status": "True" if is_true else "False", "lastTransitionTime": stamp()}
    if reason:
        found |= {"reason": reason, "message": message}
    return found


def find(conditions: list[Json], kind: str) -> Json | None:
    return next((each for each in conditions if each["type"] == kind), None)


def is_true(obj: Json, kind: str) -> bool:
    """Whether an object's condition is True."""
    found = find(obj.get("status", {}).get("conditions", []), kind)
    return found is not None and found["status"] == "True"


def with_condition(conditions: list[Json], new: Json) -> list[Json]:
    """The conditions with one replaced; its time of turning is kept if it did not turn."""
    old = find(conditions, new["type"])
    if old is None:
        return [*conditions, new]
    if old["status"] == new["status"]:
        new = {**new, "lastTransitionTime": old["lastTransitionTime"]}
    return [new if each is old else each for each in conditions]


def without_zeros(status: Json) -> Json:
    """As Go leaves them out."""
    return {key: value for key, value in status.items() if value not in (0, None)}


def is_ready(pod: Json) -> bool:
    return is_true(pod, "Ready")


def is_over(pod: Json) -> bool:
    return pod.get("status", {}).get("phase") in ("Succeeded", "Failed")


POD, REPLICA_SET, DEPLOYMENT, JOB = (
    named("Pod"), named("ReplicaSet"), named("Deployment"), named("Job"),
)  # fmt: skip
