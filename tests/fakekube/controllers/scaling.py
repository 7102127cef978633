"""HorizontalPodAutoscalers without a load: their bounds, and what tests order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import Json
from ..kinds import BY_KIND, Kind, named
from ..store import Event
from ..verbs import MERGE, Call
from .base import Controller, Keys, condition, key_of

if TYPE_CHECKING:
    from ..cluster import Cluster

AUTOSCALER = named("HorizontalPodAutoscaler")
LOOP_SECONDS = 15.0


class Autoscalers(Controller):
    """Keeps a target within its bounds; leaves one that was scaled to 0 alone."""

    def keys_of(self, event: Event) -> Keys:
        if event.kind is AUTOSCALER and event.type == "ADDED":
            self.again(*key_of(event.obj), LOOP_SECONDS)
        yield from ()

    def reconcile(self, namespace: str, name: str) -> None:
        autoscaler = self.store.get(AUTOSCALER, namespace, name)
        if autoscaler is None:
            return
        found = _target(self.cluster, autoscaler)
        if found is not None:
            _kind, target = found
            replicas = target["spec"]["replicas"]
            if replicas:
                spec = autoscaler["spec"]
                replicas = min(max(replicas, spec["minReplicas"]), spec["maxReplicas"])
            scale_to(self.cluster, namespace, name, replicas)
        self.again(namespace, name, LOOP_SECONDS)


def _target(cluster: Cluster, autoscaler: Json) -> tuple[Kind, Json] | None:
    reference = autoscaler["spec"]["scaleTargetRef"]
    kind = BY_KIND[(reference["apiVersion"], reference["kind"])]
    target = cluster.store.get(kind, autoscaler["metadata"]["namespace"], reference["name"])
    return None if target is None else (kind, target)


def scale_to(cluster: Cluster, namespace: str, name: str, replicas: int) -> None:
    """An autoscaler sets its target's replicas, by its scale, as the real controller does."""
    autoscaler = cluster.verbs.get(AUTOSCALER, namespace, name)
    found = _target(cluster, autoscaler)
    if found is None:
        return
    kind, target = found
    if target["spec"]["replicas"] != replicas:
        call = Call(manager="kube-controller-manager")
        cluster.verbs.scale(kind, *key_of(target), replicas, call, how=MERGE)
    active = condition("ScalingActive", bool(replicas), "ValidMetricFound", "")
    if not replicas:
        text = "scaling is disabled since the replica count of the target is zero"
        active = condition("ScalingActive", False, "ScalingDisabled", text)
    status = {"currentReplicas": replicas, "desiredReplicas": replicas, "conditions": [active]}
    old = autoscaler.get("status", {})
    same = [c["status"] for c in old.get("conditions", [])] == [active["status"]]
    if not same or old.get("desiredReplicas") != replicas:
        cluster.verbs.set_status(AUTOSCALER, autoscaler, status)
