"""How many pods a Deployment has: a field of its own, with an owner of its own.

A release's body never names `replicas`, so that a scale by somebody else
(`kubectl scale`, an autoscaler) is never undone by a deploy, but refused or
reported by name.
"""

from __future__ import annotations

from paas.runtimes.base import ProcessSpec
from paas.runtimes.kubernetes.client import Client
from paas.runtimes.kubernetes.errors import Conflict
from paas.runtimes.kubernetes.kinds import AUTOSCALER
from paas.runtimes.kubernetes.names import MANAGED_BY, MANAGER, SCALE_MANAGER, Object

CONTROLLER = "kube-controller-manager"
"""Who scales for an autoscaler."""


def start_count(process: ProcessSpec) -> int:
    """With how many a new Deployment begins; an autoscaler goes on from its minimum."""
    if process.autoscale is not None:
        return process.autoscale.minimum if process.quantity else 0
    return process.quantity


def owners(deployment: Object) -> list[str]:
    """The field managers that hold `replicas`."""
    return [
        str(entry.get("manager"))
        for entry in deployment["metadata"].get("managedFields") or []
        if "f:replicas" in ((entry.get("fieldsV1") or {}).get("f:spec") or {})
    ]


class Scaling:
    """Scales the Deployments of one namespace."""

    def __init__(self, client: Client, namespace: str) -> None:
        self._client, self._namespace = client, namespace

    def set(self, deployment: Object, process: ProcessSpec) -> bool:
        """Give a Deployment as many pods as its spec asks for; whether anything changed.

        Raises:
            Conflict: somebody else decides about it, who is named.
        """
        name, present = deployment["metadata"]["name"], deployment["spec"].get("replicas", 1)
        wanted = start_count(process)
        if process.autoscale is not None and bool(present) == bool(wanted) and owners(deployment):
            return False  # the autoscaler's to decide
        if present == wanted and SCALE_MANAGER in owners(deployment):
            return False
        try:
            self._client.scale(self._namespace, name, wanted)
        except Conflict as error:
            if not self._is_left_over(name, error):
                raise
            self._client.scale(self._namespace, name, wanted, force=True)
        return bool(present != wanted)

    def _is_left_over(self, name: str, error: Conflict) -> bool:
        """Whether only an autoscaler of ours, present or past, has set the number."""
        if any(one.manager != CONTROLLER for one in error.contested):
            return False
        return not any(_targets(scaler, name) for scaler in self._foreign())

    def _foreign(self) -> list[Object]:
        return [
            scaler
            for scaler in self._client.items(AUTOSCALER, self._namespace)
            if (scaler["metadata"].get("labels") or {}).get(MANAGED_BY) != MANAGER
        ]

    def foreign_owner(self, deployment: Object) -> str:
        """Who but us decides about the number; "" if nobody does."""
        name = deployment["metadata"]["name"]
        for scaler in self._foreign():
            if _targets(scaler, name):
                return f"HorizontalPodAutoscaler {scaler['metadata']['name']}"
        others = [one for one in owners(deployment) if one not in (SCALE_MANAGER, CONTROLLER)]
        return others[0] if others else ""


def _targets(scaler: Object, name: str) -> bool:
    target = scaler["spec"].get("scaleTargetRef") or {}
    return target.get("kind") == "Deployment" and target.get("name") == name
