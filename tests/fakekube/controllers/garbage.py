"""What goes with what: dependents with their owners, contents with their namespace."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import Json
from ..kinds import Kind, named
from ..store import Event
from ..verbs import Call, Deletion
from .base import Controller, Keys, condition, key_of, with_condition

if TYPE_CHECKING:
    from ..cluster import Cluster

NAMESPACE_SECONDS = 5.0
"""What even an empty namespace takes to go: the real controller's first retry."""
_FOREGROUND = "foregroundDeletion"


class Garbage(Controller):
    """Deletes what has lost its owner; its keys are uids."""

    def __init__(self, cluster: Cluster) -> None:
        super().__init__(cluster)
        self._waiting: dict[str, tuple[Kind, str, str]] = {}

    def keys_of(self, event: Event) -> Keys:
        metadata = event.obj["metadata"]
        if event.type == "DELETED":
            yield "", metadata["uid"]
            for reference in metadata.get("ownerReferences", []):
                if reference["uid"] in self._waiting:
                    yield "", reference["uid"]
        elif "deletionTimestamp" in metadata and _FOREGROUND in metadata.get("finalizers", []):
            self._waiting[metadata["uid"]] = (event.kind, *key_of(event.obj))
            yield "", metadata["uid"]

    def reconcile(self, namespace: str, name: str) -> None:
        uid = name
        policy = "Foreground" if uid in self._waiting else "Background"
        for kind, obj in self.store.owned(uid):
            if "deletionTimestamp" not in obj["metadata"]:
                self.verbs.delete(kind, *key_of(obj), Deletion(policy=policy), Call())
        if uid in self._waiting and not self.store.owned(uid):
            kind, where, called = self._waiting.pop(uid)
            owner = self.store.get(kind, where, called)
            if owner is not None and owner["metadata"]["uid"] == uid:
                self.verbs.edit(kind, owner, _release)


def _release(obj: Json) -> None:
    obj["metadata"]["finalizers"].remove(_FOREGROUND)


class Namespaces(Controller):
    """Furnishes new namespaces and clears those that are going."""

    def keys_of(self, event: Event) -> Keys:
        if event.kind is named("Namespace"):
            if event.type == "ADDED" or "deletionTimestamp" in event.obj["metadata"]:
                yield "", event.obj["metadata"]["name"]
        elif event.type == "DELETED" and event.kind.namespaced:
            namespace = event.obj["metadata"].get("namespace", "")
            space = self.store.get(named("Namespace"), "", namespace)
            if space is not None and "deletionTimestamp" in space["metadata"]:
                yield "", namespace

    def reconcile(self, namespace: str, name: str) -> None:
        space = self.store.get(named("Namespace"), "", name)
        if space is None:
            return
        if "deletionTimestamp" not in space["metadata"]:
            self._furnish(name)
            return
        first = not space["status"].get("conditions")
        left = self._clear(name)
        self._say(space, left)
        if first:
            self.again("", name, NAMESPACE_SECONDS)
        elif not left:
            space = self.verbs.get(named("Namespace"), "", name)
            self.store.put(named("Namespace"), {**space, "spec": {}})
            if not space["metadata"].get("finalizers"):
                self.store.remove(named("Namespace"), space)

    def _furnish(self, name: str) -> None:
        call = Call(manager="kube-controller-manager")
        for kind, called, more in (
            ("ServiceAccount", "default", {}),
            ("ConfigMap", "kube-root-ca.crt", {"data": {"ca.crt": "-----BEGIN CERTIFICATE-----"}}),
        ):
            if self.store.get(named(kind), name, called) is None:
                self.verbs.create(named(kind), name, {"metadata": {"name": called}, **more}, call)

    def _clear(self, name: str) -> dict[Kind, list[Json]]:
        """Deletes what there is; what remains, by kind."""
        for kind in self.store.kinds():
            if kind.namespaced:
                for obj in self.store.all(kind, name):
                    if "deletionTimestamp" not in obj["metadata"]:
                        options = Deletion(policy="Background")
                        self.verbs.delete(kind, *key_of(obj), options, Call())
        kinds = [kind for kind in self.store.kinds() if kind.namespaced]
        return {kind: found for kind in kinds if (found := self.store.all(kind, name))}

    def _say(self, space: Json, left: dict[Kind, list[Json]]) -> None:
        held: dict[str, int] = {}
        for found in left.values():
            for obj in found:
                for finalizer in obj["metadata"].get("finalizers", []):
                    held[finalizer] = held.get(finalizer, 0) + 1
        counts = ", ".join(
            f"{kind.resource} has {len(found)} resource instances" for kind, found in left.items()
        )
        holds = ", ".join(f"{name} in {n} resource instances" for name, n in held.items())
        rows = [
            condition("NamespaceContentRemaining", bool(left),
                      "SomeResourcesRemain" if left else "ContentRemoved",
                      f"Some resources are remaining: {counts.replace(' has', '. has')}" if left
                      else "All content successfully removed"),
            condition("NamespaceFinalizersRemaining", bool(held),
                      "SomeFinalizersRemain" if held else "ContentHasNoFinalizers",
                      f"Some content in the namespace has finalizers remaining: {holds}" if held
                      else "All content-preserving finalizers finished"),
        ]  # fmt: skip
        live = self.verbs.get(named("Namespace"), "", space["metadata"]["name"])
        conditions = live["status"].get("conditions", [])
        for row in rows:
            conditions = with_condition(conditions, row)
        self.verbs.set_status(
            named("Namespace"), live, {**live["status"], "conditions": conditions}
        )
