"""Which node takes a pod, and what a cordon does to a node."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from ..admission import usage
from ..errors import Json
from ..kinds import named
from ..quantity import amount
from ..store import Event
from .base import POD, Controller, Keys, condition, is_over, key_of, with_condition

if TYPE_CHECKING:
    from ..cluster import Cluster

NODE = named("Node")
_TAINT = "node.kubernetes.io/unschedulable"


class Scheduler(Controller):
    """Binds pods to the first node that has room, or says why none has."""

    def __init__(self, cluster: Cluster) -> None:
        super().__init__(cluster)
        self._used: dict[str, dict[str, Decimal]] = {}
        self._waiting: set[tuple[str, str]] = set()

    def keys_of(self, event: Event) -> Keys:
        if event.kind is NODE:
            yield from list(self._waiting)
        if event.kind is not POD:
            return
        self._count(event)
        if not event.obj["spec"].get("nodeName") and event.type != "DELETED":
            yield key_of(event.obj)
        elif event.type == "DELETED" or is_over(event.obj):
            self._waiting.discard(key_of(event.obj))
            yield from list(self._waiting)

    def _count(self, event: Event) -> None:
        """Keeps the sums per node: a pod counts from its binding to its end."""

        def counts(pod: Json | None) -> str:
            return "" if pod is None or is_over(pod) else str(pod["spec"].get("nodeName", ""))

        before = counts(event.old)
        after = counts(event.obj) if event.type != "DELETED" else ""
        for node, sign in ((before, -1), (after, 1)):
            if node and before != after:
                sums = self._used.setdefault(node, {})
                for name, value in usage(event.obj).items():
                    sums[name] = sums.get(name, Decimal(0)) + sign * value

    def reconcile(self, namespace: str, name: str) -> None:
        pod = self.store.get(POD, namespace, name)
        if pod is None or pod["spec"].get("nodeName") or "deletionTimestamp" in pod["metadata"]:
            self._waiting.discard((namespace, name))
            return
        nodes = self.store.all(NODE)
        refusals: dict[str, int] = {}
        fault = self.cluster.faults.for_container(
            pod, pod["spec"]["containers"][0], "unschedulable"
        )
        for node in nodes:
            why = (fault.message or "1 Insufficient cpu") if fault else self._refusal(pod, node)
            if not why:
                self._bind(pod, node)
                return
            refusals[why] = refusals.get(why, 0) + 1
        reasons = ", ".join(why if fault else f"{n} {why}" for why, n in sorted(refusals.items()))
        text = f"0/{len(nodes)} nodes are available: {reasons}."
        self._refuse(pod, text)

    def _refusal(self, pod: Json, node: Json) -> str:
        labels = node["metadata"].get("labels", {})
        if node["spec"].get("unschedulable"):
            return "node(s) were unschedulable"
        if any(labels.get(k) != v for k, v in pod["spec"].get("nodeSelector", {}).items()):
            return "node(s) didn't match Pod's node affinity/selector"
        used = self._used.get(node["metadata"]["name"], {})
        for resource, most in node["status"]["allocatable"].items():
            needs = usage(pod).get(resource, Decimal(0))
            if needs and used.get(resource, Decimal(0)) + needs > amount(most):
                return "Too many pods" if resource == "pods" else f"Insufficient {resource}"
        return ""

    def _bind(self, pod: Json, node: Json) -> None:
        self._waiting.discard(key_of(pod))
        name = node["metadata"]["name"]
        status = {**pod["status"], "conditions": [condition("PodScheduled", True)]}
        self.store.put(POD, {**pod, "spec": {**pod["spec"], "nodeName": name}, "status": status})
        where = "/".join(key_of(pod))
        text = f"Successfully assigned {where} to {name}"
        self.cluster.event(POD, pod, "Normal", "Scheduled", text)

    def _refuse(self, pod: Json, text: str) -> None:
        self._waiting.add(key_of(pod))
        row = condition("PodScheduled", False, "Unschedulable", text)
        conditions = pod["status"].get("conditions", [])
        if any(each.get("message") == text for each in conditions):
            return
        status = {**pod["status"], "conditions": with_condition(conditions, row)}
        self.verbs.set_status(POD, pod, status)
        self.cluster.event(POD, pod, "Warning", "FailedScheduling", text)


class Cordons(Controller):
    """Taints a node that is marked unschedulable."""

    def keys_of(self, event: Event) -> Keys:
        if event.kind is NODE and event.type != "DELETED":
            yield key_of(event.obj)

    def reconcile(self, namespace: str, name: str) -> None:
        node = self.store.get(NODE, "", name)
        if node is None:
            return
        taints = node["spec"].get("taints", [])
        others = [each for each in taints if each["key"] != _TAINT]
        cordoned = bool(node["spec"].get("unschedulable"))
        if cordoned == (len(others) != len(taints)):
            return
        spec = {k: v for k, v in node["spec"].items() if k != "taints"}
        added = [{"key": _TAINT, "effect": "NoSchedule"}] if cordoned else []
        if others + added:
            spec["taints"] = others + added
        self.store.put(NODE, {**node, "spec": spec})
