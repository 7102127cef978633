"""Deployments: from one ReplicaSet to the next, as the strategy allows."""

from __future__ import annotations

import time
import zlib
from typing import TYPE_CHECKING, Any

import orjson

from ..errors import Json
from ..selectors import by_spec
from ..store import Event
from ..verbs import Call, Deletion
from .base import (
    DEPLOYMENT,
    REPLICA_SET,
    Controller,
    Keys,
    condition,
    find,
    key_of,
    owned_by,
    owner_keys,
    with_condition,
    without_zeros,
)

if TYPE_CHECKING:
    from ..cluster import Cluster

REVISION = "deployment.kubernetes.io/revision"
HASH = "pod-template-hash"
_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"


class Deployments(Controller):
    """Rolls out, reports progress and misses deadlines."""

    def __init__(self, cluster: Cluster) -> None:
        super().__init__(cluster)
        self._progressed: dict[str, float] = {}

    def keys_of(self, event: Event) -> Keys:
        if event.kind is DEPLOYMENT:
            yield key_of(event.obj)
        elif event.kind is REPLICA_SET:
            yield from owner_keys(event.obj, "Deployment")

    def reconcile(self, namespace: str, name: str) -> None:
        deployment = self.store.get(DEPLOYMENT, namespace, name)
        if deployment is None or "deletionTimestamp" in deployment["metadata"]:
            return
        sets = self._sets(deployment)
        wanted = _plain(deployment["spec"]["template"])
        new = next((each for each in sets if _plain(each["spec"]["template"]) == wanted), None)
        if deployment["spec"].get("paused"):
            self._pause(deployment, sets)
            return
        if new is None:
            self._begin(deployment, sets)
            return
        old = [each for each in sets if each is not new]
        new = self._renumber(deployment, new, old)
        new = self._copied(deployment, new)
        if deployment["spec"]["strategy"]["type"] == "Recreate":
            self._recreate(deployment, new, old)
        else:
            self._roll(deployment, new, old)
        self._forget(deployment, old)
        self._report(deployment, new, self._sets(deployment))

    def _sets(self, deployment: Json) -> list[Json]:
        """Its ReplicaSets; such as have lost their owner and match are adopted."""
        namespace = deployment["metadata"]["namespace"]
        uid = deployment["metadata"]["uid"]
        found = [o for kind, o in self.store.owned(uid) if kind is REPLICA_SET]
        if not found:
            fits = by_spec(deployment["spec"]["selector"])
            for each in self.store.all(REPLICA_SET, namespace):
                metadata = each["metadata"]
                if not metadata.get("ownerReferences") and fits(metadata.get("labels", {})):
                    owner = {"ownerReferences": owned_by(DEPLOYMENT, deployment)}
                    adopted = {**each, "metadata": {**metadata, **owner}}
                    found.append(self.store.put(REPLICA_SET, adopted))
        return [each for each in found if "deletionTimestamp" not in each["metadata"]]

    # --- steps ------------------------------------------------------------
    def _begin(self, deployment: Json, old: list[Json]) -> None:
        """Creates the ReplicaSet of a new template."""
        namespace, name = key_of(deployment)
        template = orjson.loads(orjson.dumps(deployment["spec"]["template"]))
        digest = _hash(template)
        labels = template["metadata"].setdefault("labels", {})
        labels[HASH] = digest
        selector = deployment["spec"]["selector"]
        number = max((_revision(each) for each in old), default=0) + 1
        spec = {
            "replicas": self._room(deployment, old, 0) if not self._waits(deployment, old) else 0,
            "minReadySeconds": deployment["spec"].get("minReadySeconds", 0),
            "selector": {
                **selector, "matchLabels": {**selector.get("matchLabels", {}), HASH: digest},
            },
            "template": template,
        }  # fmt: skip
        metadata = {
            "name": f"{name}-{digest}",
            "labels": labels,
            "annotations": {**_copiable(deployment), REVISION: str(number)},
            "ownerReferences": owned_by(DEPLOYMENT, deployment),
        }
        call = Call(validation="Ignore")
        new = self.verbs.create(REPLICA_SET, namespace, {"metadata": metadata, "spec": spec}, call)
        self._progressed[deployment["metadata"]["uid"]] = time.monotonic()
        deployment = self._annotate(deployment, number)
        self._scaled(deployment, new, 0, spec["replicas"])
        text = f'Created new replica set "{new["metadata"]["name"]}"'
        self._progress(deployment, condition("Progressing", True, "NewReplicaSetCreated", text))

    def _copied(self, deployment: Json, new: Json) -> Json:
        """A Deployment's annotations are its newest ReplicaSet's, too."""
        wanted = _copiable(deployment)
        have = new["metadata"].get("annotations", {})
        if wanted.items() <= have.items():
            return new

        def change(each: Json) -> None:
            each["metadata"].setdefault("annotations", {}).update(wanted)

        return self.verbs.edit(REPLICA_SET, new, change)

    def _pause(self, deployment: Json, sets: list[Json]) -> None:
        """A paused Deployment makes no ReplicaSet; it scales the one that it has."""
        if sets:
            newest = max(sets, key=_revision)
            self._resize(deployment, newest, deployment["spec"]["replicas"])
            self._report(deployment, newest, sets)
            return
        seen = {"observedGeneration": deployment["metadata"]["generation"]}
        self.verbs.set_status(DEPLOYMENT, deployment, seen)

    @staticmethod
    def _waits(deployment: Json, old: list[Json]) -> bool:
        """Recreate begins when the last old pod has gone."""
        recreate = deployment["spec"]["strategy"]["type"] == "Recreate"
        return recreate and any(_pods(each) for each in old)

    def _renumber(self, deployment: Json, new: Json, old: list[Json]) -> Json:
        """A ReplicaSet that is used again (a rollback) becomes the newest revision."""
        newest = max((_revision(each) for each in old), default=0)
        if _revision(new) > newest:
            return new
        self._progressed[deployment["metadata"]["uid"]] = time.monotonic()
        new = self._annotated(REPLICA_SET, new, newest + 1)
        self._annotate(deployment, newest + 1)
        text = f'Found new replica set "{new["metadata"]["name"]}"'
        self._progress(deployment, condition("Progressing", True, "FoundNewReplicaSet", text))
        return new

    def _annotate(self, deployment: Json, number: int) -> Json:
        return self._annotated(DEPLOYMENT, deployment, number)

    def _annotated(self, kind: Any, obj: Json, number: int) -> Json:
        def change(new: Json) -> None:
            new["metadata"].setdefault("annotations", {})[REVISION] = str(number)

        return self.verbs.edit(kind, obj, change)

    def _recreate(self, deployment: Json, new: Json, old: list[Json]) -> None:
        for each in old:
            self._resize(deployment, each, 0)
        if not any(_pods(each) for each in old):
            self._resize(deployment, new, deployment["spec"]["replicas"])

    def _roll(self, deployment: Json, new: Json, old: list[Json]) -> None:
        desired = deployment["spec"]["replicas"]
        have = new["spec"]["replicas"]
        if have != desired:
            room = self._room(deployment, old, have)
            self._resize(deployment, new, desired if have > desired else have + room)
        new = self.store.get(REPLICA_SET, *key_of(new)) or new
        floor = desired - _bounds(deployment)[1]
        total = sum(each["spec"]["replicas"] for each in [*old, new])
        unavailable = new["spec"]["replicas"] - _count(new, "availableReplicas")
        spare = total - floor - unavailable
        for each in sorted(old, key=_revision):  # first those that never came up
            dead = each["spec"]["replicas"] - _count(each, "availableReplicas")
            gone = max(0, min(dead, spare))
            if gone:
                self._resize(deployment, each, each["spec"]["replicas"] - gone)
            spare -= gone
        available = sum(_count(each, "availableReplicas") for each in [*old, new])
        spare = min(spare, available - floor)
        for each in sorted(old, key=_revision):
            live = self.store.get(REPLICA_SET, *key_of(each)) or each
            gone = max(0, min(live["spec"]["replicas"], spare))
            if gone:
                self._resize(deployment, live, live["spec"]["replicas"] - gone)
            spare -= gone

    def _room(self, deployment: Json, old: list[Json], have: int) -> int:
        """How many more the new ReplicaSet may have now."""
        desired = deployment["spec"]["replicas"]
        if deployment["spec"]["strategy"]["type"] == "Recreate":
            return int(desired) - have
        most = desired + _bounds(deployment)[0]
        total = sum(each["spec"]["replicas"] for each in old) + have
        return int(max(0, min(most - total, desired - have)))

    def _resize(self, deployment: Json, replica_set: Json, replicas: int) -> None:
        before = replica_set["spec"]["replicas"]
        if before == replicas:
            return

        def change(new: Json) -> None:
            new["spec"]["replicas"] = replicas

        self.verbs.edit(REPLICA_SET, replica_set, change)
        self._progressed[deployment["metadata"]["uid"]] = time.monotonic()
        self._scaled(deployment, replica_set, before, replicas)

    def _scaled(self, deployment: Json, replica_set: Json, before: int, after: int) -> None:
        word = "up" if after >= before else "down"
        name = replica_set["metadata"]["name"]
        text = f"Scaled {word} replica set {name} from {before} to {after}"
        self.cluster.event(DEPLOYMENT, deployment, "Normal", "ScalingReplicaSet", text)

    def _forget(self, deployment: Json, old: list[Json]) -> None:
        """Deletes the oldest ReplicaSets beyond revisionHistoryLimit."""
        idle = [each for each in old if not each["spec"]["replicas"] and not _pods(each)]
        surplus = len(idle) - deployment["spec"]["revisionHistoryLimit"]
        for each in sorted(idle, key=_revision)[: max(0, surplus)]:
            self.verbs.delete(REPLICA_SET, *key_of(each), Deletion(), Call())

    # --- status -----------------------------------------------------------
    def _progress(self, deployment: Json, progressing: Json) -> None:
        """Writes one condition before the controller has seen the rest."""
        live = self.store.get(DEPLOYMENT, *key_of(deployment)) or deployment
        status = live.get("status", {})
        conditions = with_condition(status.get("conditions", []), _updated(progressing))
        self.verbs.set_status(DEPLOYMENT, live, {**status, "conditions": conditions})

    def _report(self, deployment: Json, new: Json, sets: list[Json]) -> None:
        deployment = self.store.get(DEPLOYMENT, *key_of(deployment)) or deployment
        new = self.store.get(REPLICA_SET, *key_of(new)) or new
        desired = deployment["spec"]["replicas"]
        old = deployment.get("status", {})
        total = sum(_count(each, "replicas") for each in sets)
        available = sum(_count(each, "availableReplicas") for each in sets)
        status = without_zeros(
            {
                "observedGeneration": deployment["metadata"]["generation"],
                "replicas": total,
                "updatedReplicas": _count(new, "replicas"),
                "readyReplicas": sum(_count(each, "readyReplicas") for each in sets),
                "availableReplicas": available,
                "unavailableReplicas": max(
                    0, sum(each["spec"]["replicas"] for each in sets) - available
                ),
                "terminatingReplicas": sum(_count(each, "terminatingReplicas") for each in sets),
            }
        )
        conditions = list(old.get("conditions", []))
        enough = available >= desired - _bounds(deployment)[1]
        word, text = ("Available", "has") if enough else ("Unavailable", "does not have")
        conditions = with_condition(
            conditions,
            _updated(
                condition(
                    "Available", enough, f"MinimumReplicas{word}",
                    f"Deployment {text} minimum availability.",
                )
            ),
        )  # fmt: skip
        conditions = self._failure(conditions, sets)
        moved = _counts(status) != _counts(old)
        conditions = self._progressing(deployment, new, status, conditions, moved=moved)
        self.verbs.set_status(
            DEPLOYMENT, deployment, _settled({**status, "conditions": conditions}, old)
        )

    @staticmethod
    def _failure(conditions: list[Json], sets: list[Json]) -> list[Json]:
        failures = (
            find(each.get("status", {}).get("conditions", []), "ReplicaFailure") for each in sets
        )
        failure = next((each for each in failures if each), None)
        if failure is None:
            return [each for each in conditions if each["type"] != "ReplicaFailure"]
        return with_condition(conditions, _updated(failure))

    def _progressing(
        self, deployment: Json, new: Json, status: Json, conditions: list[Json], *, moved: bool
    ) -> list[Json]:
        uid, desired = deployment["metadata"]["uid"], deployment["spec"]["replicas"]
        name = new["metadata"]["name"]
        before = find(conditions, "Progressing") or {}
        complete = all(
            status.get(field, 0) == desired
            for field in ("replicas", "updatedReplicas", "availableReplicas")
        )
        if complete:
            text = f'ReplicaSet "{name}" has successfully progressed.'
            found = condition("Progressing", True, "NewReplicaSetAvailable", text)
        elif before.get("reason") == "NewReplicaSetAvailable" and name in before["message"]:
            return conditions  # later trouble does not count against a rollout that was done
        else:
            if moved:
                self._progressed[uid] = time.monotonic()
            left = deployment["spec"]["progressDeadlineSeconds"] - self.clock.elapsed(
                self._progressed.setdefault(uid, time.monotonic())
            )
            if left <= 0:
                text = f'ReplicaSet "{name}" has timed out progressing.'
                found = condition("Progressing", False, "ProgressDeadlineExceeded", text)
            else:
                self.again(*key_of(deployment), left + 0.05)
                if not moved and before:
                    return conditions
                text = f'ReplicaSet "{name}" is progressing.'
                found = condition("Progressing", True, "ReplicaSetUpdated", text)
        return with_condition(conditions, _updated(found))


def _updated(found: Json) -> Json:
    return {**found, "lastUpdateTime": found["lastTransitionTime"]}


def _settled(status: Json, old: Json) -> Json:
    """The old status if only times differ, so that nothing is written."""

    def timeless(value: Json) -> Json:
        rows = [
            {k: v for k, v in each.items() if not k.startswith("last")}
            for each in value.get("conditions", [])
        ]
        return {**value, "conditions": rows}

    return old if timeless(status) == timeless(old) else status


def _counts(status: Json) -> Json:
    return {k: status.get(k, 0) for k in ("replicas", "updatedReplicas", "availableReplicas",
                                          "readyReplicas")}  # fmt: skip


def _bounds(deployment: Json) -> tuple[int, int]:
    """(maxSurge, maxUnavailable) as numbers of pods; percents round up and down."""
    strategy = deployment["spec"]["strategy"]
    desired = deployment["spec"]["replicas"]
    if strategy["type"] == "Recreate":
        return 0, desired
    rolling = strategy["rollingUpdate"]
    surge = _part(rolling["maxSurge"], desired, up=True)
    unavailable = _part(rolling["maxUnavailable"], desired, up=False)
    return surge, unavailable or (1 if not surge else 0)


def _part(value: Any, whole: int, *, up: bool) -> int:
    if isinstance(value, int):
        return value
    percent = int(str(value).rstrip("%")) * whole
    return -(-percent // 100) if up else percent // 100


def _plain(template: Json) -> Json:
    """A template without the hash that its ReplicaSet carries."""
    labels = {k: v for k, v in template["metadata"].get("labels", {}).items() if k != HASH}
    return {**template, "metadata": {**template["metadata"], "labels": labels}}


def _hash(template: Json) -> str:
    number = zlib.crc32(orjson.dumps(_plain(template), option=orjson.OPT_SORT_KEYS))
    digits = []
    while number:
        number, rest = divmod(number, len(_ALPHABET))
        digits.append(_ALPHABET[rest])
    return "".join(digits)


def _copiable(deployment: Json) -> dict[str, str]:
    left = {REVISION, "kubectl.kubernetes.io/last-applied-configuration"}
    annotations = deployment["metadata"].get("annotations") or {}
    return {key: value for key, value in annotations.items() if key not in left}


def _revision(replica_set: Json) -> int:
    return int(replica_set["metadata"].get("annotations", {}).get(REVISION, 0))


def _count(replica_set: Json, name: str) -> int:
    return int(replica_set.get("status", {}).get(name, 0))


def _pods(replica_set: Json) -> int:
    return _count(replica_set, "replicas") + _count(replica_set, "terminatingReplicas")
