"""ReplicaSets: as many pods as wanted."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from ..errors import ApiError, Json
from ..store import Event
from ..verbs import Call, Deletion
from .base import (
    POD,
    REPLICA_SET,
    Controller,
    Keys,
    condition,
    find,
    is_over,
    is_ready,
    key_of,
    owned_by,
    owner_keys,
    with_condition,
    without_zeros,
)

if TYPE_CHECKING:
    from ..cluster import Cluster


class ReplicaSets(Controller):
    """Creates and deletes pods; says in its status how many are ready and available."""

    def __init__(self, cluster: Cluster) -> None:
        super().__init__(cluster)
        self._ready_since: dict[str, float] = {}
        self._failures: dict[str, int] = {}

    def keys_of(self, event: Event) -> Keys:
        if event.kind is REPLICA_SET:
            yield key_of(event.obj)
        elif event.kind is POD:
            self._note_readiness(event)
            yield from owner_keys(event.obj, "ReplicaSet")

    def _note_readiness(self, event: Event) -> None:
        uid = event.obj["metadata"]["uid"]
        if event.type == "DELETED" or not is_ready(event.obj):
            self._ready_since.pop(uid, None)
        else:
            self._ready_since.setdefault(uid, time.monotonic())

    def reconcile(self, namespace: str, name: str) -> None:
        replica_set = self.store.get(REPLICA_SET, namespace, name)
        if replica_set is None:
            return
        pods = [pod for _, pod in self.store.owned(replica_set["metadata"]["uid"])]
        active = [p for p in pods if "deletionTimestamp" not in p["metadata"] and not is_over(p)]
        failure: Json | None = None
        if "deletionTimestamp" not in replica_set["metadata"]:
            failure = self._resize(replica_set, active)
        pods = [pod for _, pod in self.store.owned(replica_set["metadata"]["uid"])]
        self._report(replica_set, pods, failure)

    def _resize(self, replica_set: Json, active: list[Json]) -> Json | None:
        """Creates or deletes the difference; the condition if a creation was refused."""
        lacking = replica_set["spec"]["replicas"] - len(active)
        for _ in range(lacking):
            try:
                self._create(replica_set)
            except ApiError as error:
                return self._refused(replica_set, error)
        self._failures.pop(replica_set["metadata"]["uid"], None)
        surplus = sorted(active, key=lambda p: (is_ready(p), -_age(p)))[: max(0, -lacking)]
        for pod in surplus:
            self.verbs.delete(POD, *key_of(pod), Deletion(), Call())
            text = f"Deleted pod: {pod['metadata']['name']}"
            self.cluster.event(REPLICA_SET, replica_set, "Normal", "SuccessfulDelete", text)
        return None

    def _create(self, replica_set: Json) -> None:
        template = replica_set["spec"]["template"]
        namespace, name = key_of(replica_set)
        metadata = {
            **template["metadata"],
            "generateName": f"{name}-",
            "ownerReferences": owned_by(REPLICA_SET, replica_set),
        }
        body = {"metadata": metadata, "spec": template["spec"]}
        pod = self.verbs.create(POD, namespace, body, Call(validation="Ignore"))
        text = f"Created pod: {pod['metadata']['name']}"
        self.cluster.event(REPLICA_SET, replica_set, "Normal", "SuccessfulCreate", text)

    def _refused(self, replica_set: Json, error: ApiError) -> Json:
        """Tried again with growing pauses, as the real one does."""
        uid, (namespace, name) = replica_set["metadata"]["uid"], key_of(replica_set)
        tries = self._failures[uid] = self._failures.get(uid, 0) + 1
        text = f"Error creating: {error.message}"
        self.cluster.event(REPLICA_SET, replica_set, "Warning", "FailedCreate", text)
        self.again(namespace, name, min(2.0**tries, 300.0))
        return condition("ReplicaFailure", True, "FailedCreate", error.message)

    def _report(self, replica_set: Json, pods: list[Json], failure: Json | None) -> None:
        active = [p for p in pods if "deletionTimestamp" not in p["metadata"] and not is_over(p)]
        ready = [pod for pod in active if is_ready(pod)]
        old = replica_set.get("status", {})
        conditions = [c for c in old.get("conditions", []) if c["type"] != "ReplicaFailure"]
        if failure is not None:
            before = find(old.get("conditions", []), "ReplicaFailure")
            same = before is not None and _digits(before["message"]) == _digits(failure["message"])
            conditions = with_condition([*conditions], before if same and before else failure)
        status = without_zeros(
            {
                "fullyLabeledReplicas": len(active),
                "readyReplicas": len(ready),
                "availableReplicas": self._available(replica_set, ready),
                "terminatingReplicas": len(pods) - len(active),
                "observedGeneration": replica_set["metadata"]["generation"],
                "conditions": conditions or None,
            }
        )
        self.verbs.set_status(REPLICA_SET, replica_set, {"replicas": len(active), **status})

    def _available(self, replica_set: Json, ready: list[Json]) -> int:
        """How many have been ready for minReadySeconds; looks again when the next one will."""
        needed = replica_set["spec"].get("minReadySeconds", 0)
        if not needed:
            return len(ready)
        ages = [
            self.clock.elapsed(self._ready_since.get(pod["metadata"]["uid"], time.monotonic()))
            for pod in ready
        ]
        young = [age for age in ages if age < needed]
        if young:
            self.again(*key_of(replica_set), needed - max(young) + 0.01)
        return len(ages) - len(young)


def _digits(message: str) -> str:
    """A refusal without the pod's random name."""
    return message.partition("is forbidden")[2] or message


def _age(pod: Json) -> int:
    return int(pod["metadata"]["resourceVersion"])
