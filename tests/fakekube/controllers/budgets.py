"""PodDisruptionBudgets and evictions."""

from __future__ import annotations

from typing import Any

from ..errors import ApiError, Json
from ..kinds import named
from ..selectors import by_spec
from ..store import Event
from ..verbs import Call, Deletion
from .base import (
    POD,
    REPLICA_SET,
    Controller,
    Keys,
    condition,
    is_over,
    is_ready,
    key_of,
    with_condition,
)

BUDGET = named("PodDisruptionBudget")
_TWO = (
    "This pod has more than one PodDisruptionBudget, which the eviction subresource does not"
    " support."
)


class Budgets(Controller):
    """Keeps a budget's status: how many are healthy, how many may go."""

    def keys_of(self, event: Event) -> Keys:
        if event.kind is BUDGET and event.type != "DELETED":
            yield key_of(event.obj)
        elif event.kind is POD:
            for budget in self.store.all(BUDGET, event.obj["metadata"]["namespace"]):
                yield key_of(budget)

    def reconcile(self, namespace: str, name: str) -> None:
        budget = self.store.get(BUDGET, namespace, name)
        if budget is not None:
            self.verbs.set_status(BUDGET, budget, self.status(budget))

    def status(self, budget: Json) -> Json:
        """From the pods as they are now."""
        namespace = budget["metadata"]["namespace"]
        fits = by_spec(budget["spec"].get("selector"))
        pods = [
            pod for pod in self.store.all(POD, namespace)
            if fits(pod["metadata"].get("labels", {})) and not is_over(pod)
            and "deletionTimestamp" not in pod["metadata"]
        ]  # fmt: skip
        expected = self._expected(pods)
        healthy = sum(1 for pod in pods if is_ready(pod))
        spec = budget["spec"]
        if "minAvailable" in spec:
            needed = _part(spec["minAvailable"], expected)
        else:
            needed = max(0, expected - _part(spec.get("maxUnavailable", 0), expected))
        allowed = max(0, healthy - needed)
        enough = condition(
            "DisruptionAllowed", allowed > 0, "SufficientPods" if allowed else "InsufficientPods"
        )
        old = budget.get("status", {}).get("conditions", [])
        return {
            "disruptionsAllowed": allowed, "currentHealthy": healthy, "desiredHealthy": needed,
            "expectedPods": expected, "observedGeneration": budget["metadata"]["generation"],
            "conditions": with_condition(old, enough),
        }  # fmt: skip

    def _expected(self, pods: list[Json]) -> int:
        """As many as their controllers want; bare pods count themselves."""
        wanted: dict[str, int] = {}
        for pod in pods:
            owners = pod["metadata"].get("ownerReferences", [])
            key = owners[0]["uid"] if owners else pod["metadata"]["uid"]
            wanted[key] = 1
            if owners and owners[0]["kind"] == "ReplicaSet":
                namespace = pod["metadata"]["namespace"]
                found = self.store.get(REPLICA_SET, namespace, owners[0]["name"])
                wanted[key] = found["spec"]["replicas"] if found else 0
        return sum(wanted.values())


def _part(value: Any, whole: int) -> int:
    if isinstance(value, int):
        return value
    return -(-int(str(value).rstrip("%")) * whole // 100)


def evict(budgets: Budgets, pod: Json, options: Deletion, *, dry_run: bool) -> Json:
    """The eviction subresource.

    Raises:
        ApiError: 429, a budget forbids it; 500, two budgets cover the pod.
    """
    namespace, name = key_of(pod)
    store = budgets.store
    covering = [
        budget for budget in store.all(BUDGET, namespace)
        if by_spec(budget["spec"].get("selector"))(pod["metadata"].get("labels", {}))
    ]  # fmt: skip
    if len(covering) > 1:
        raise ApiError(500, None, _TWO)
    if covering and not is_over(pod) and pod["status"].get("phase") != "Pending":
        _ask(budgets, covering[0], pod)
    if not dry_run:
        row = condition("DisruptionTarget", True, "EvictionByEvictionAPI", "Eviction API: evicting")
        status = pod["status"]
        conditions = with_condition(status.get("conditions", []), row)
        budgets.verbs.set_status(POD, pod, {**status, "conditions": conditions})
        budgets.verbs.delete(POD, namespace, name, options, Call())
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}


def _ask(budgets: Budgets, budget: Json, pod: Json) -> None:
    status = budgets.status(budget)
    always = budget["spec"].get("unhealthyPodEvictionPolicy") == "AlwaysAllow"
    healthy, needed = status["currentHealthy"], status["desiredHealthy"]
    if not is_ready(pod) and (always or healthy >= needed > 0):
        return
    if status["disruptionsAllowed"] > 0:
        return
    name = budget["metadata"]["name"]
    pods = "pod" if needed == 1 else "pods"
    text = f"The disruption budget {name} needs {needed} healthy {pods} and has {healthy} currently"
    raise ApiError(
        429,
        "TooManyRequests",
        "Cannot evict pod as it would violate the pod's disruption budget.",
        details={"causes": [{"reason": "DisruptionBudget", "message": text}]},
    )
