"""What the parts of the runtime share: the settings, the client, and what it remembers."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from paas.runtimes.base import RuntimeFailure
from paas.runtimes.kubernetes import closed, kinds
from paas.runtimes.kubernetes.client import Client
from paas.runtimes.kubernetes.errors import ApiError, Forbidden, Gone, Terminating
from paas.runtimes.kubernetes.names import Object, namespace_of
from paas.runtimes.kubernetes.objects import AppObjects
from paas.runtimes.kubernetes.routes import Door, routes
from paas.runtimes.kubernetes.settings import ClusterSettings
from paas.runtimes.kubernetes.state import AppState, States
from paas.runtimes.kubernetes.together import together

DELETION_SECONDS = 120.0
"""How long a namespace may take to go: its pods have 35 s, then the controllers come."""
_LOOK_EVERY = 0.5
_DOOR_SECONDS = 300.0
"""How long what is known of the way in holds: nobody replaces an ingress controller often."""
_STALE_SECONDS = 10.0
"""How long an API server may take a namespace that was made anew for the one that went."""


@dataclass(frozen=True)
class Cluster:
    """One cluster, as the panel knows it."""

    settings: ClusterSettings
    client: Client
    states: States

    _seen: dict[str, tuple[float, Door]] = field(default_factory=dict)

    @classmethod
    def of(cls, settings: ClusterSettings) -> Cluster:
        client = Client(settings.patience)
        return cls(settings, client, States(client))

    def door(self) -> Door:
        """What the way in can do; looked at once in a while, and only if that matters."""
        at, door = self._seen.get("door", (float("-inf"), Door()))
        if time.monotonic() - at > _DOOR_SECONDS:
            door = self._look_at_door()
            self._seen["door"] = time.monotonic(), door
        return door

    def _look_at_door(self) -> Door:
        if not self.settings.gateway:
            return Door(middlewares=self.client.serves(kinds.MIDDLEWARE))
        where, _, name = self.settings.gateway.partition("/")
        try:
            gateway = self.client.get(kinds.GATEWAY, where, name)
        except (Gone, Forbidden):
            return Door()
        return Door(plain=_listeners(gateway, "HTTP"), secure=_listeners(gateway, "HTTPS"))

    def namespace(self, app_id: str) -> str:
        return namespace_of(self.settings.namespace_prefix, app_id)

    def lay_ground(self, objects: AppObjects) -> None:
        """Make the app's namespace with what every pod in it needs; waits for one that goes."""
        namespace, *others = objects.ground()
        if self.client.apply(namespace)["metadata"].get("deletionTimestamp"):
            self.await_deletion(objects.namespace)
            self.client.apply(namespace)
        deadline = time.monotonic() + _STALE_SECONDS
        while True:
            try:
                together(self.client.apply, others)
                return
            except Terminating:
                if time.monotonic() > deadline:
                    raise
                time.sleep(_LOOK_EVERY)

    def await_deletion(self, namespace: str) -> None:
        """Wait until a namespace that is being deleted is gone.

        Raises:
            RuntimeFailure: something holds it; the text says what.
        """
        deadline = time.monotonic() + DELETION_SECONDS
        while (found := self.find_namespace(namespace)) is not None:
            if time.monotonic() > deadline:
                raise RuntimeFailure(_held(namespace, found))
            time.sleep(_LOOK_EVERY)

    def find_namespace(self, name: str) -> Object | None:
        found = self.client.items(kinds.NAMESPACE, fields=f"metadata.name={name}")
        return found[0] if found else None

    def log_tail(
        self, pod: Object, container: str, *, previous: bool, lines: int = 20
    ) -> list[str]:
        """The last lines that a container printed; none where they are lost."""
        meta = pod["metadata"]
        query = {"container": container, "tailLines": str(lines)}
        if previous:
            query["previous"] = "true"
        path = kinds.POD.path(meta["namespace"], meta["name"], "log")
        try:
            return self.client.text(path, query).splitlines()
        except RuntimeFailure:
            return []

    def events(self, body: Object) -> Iterator[Object]:
        """What was said of an object, the oldest first."""
        meta = body["metadata"]
        try:
            found = self.client.items(
                kinds.EVENT, meta["namespace"], fields=f"involvedObject.uid={meta['uid']}"
            )
        except ApiError:
            found = []
        yield from sorted(found, key=_when)


def routes_of(cluster: Cluster, app_id: str, state: AppState) -> list[Object]:
    """What leads the app's hosts to it."""
    settings = cluster.settings
    page = closed.page(settings, state.image) if state.image else None
    namespace = cluster.namespace(app_id)
    return routes(settings, namespace, app_id, state.routing, cluster.door(), page)


def _listeners(gateway: Object, protocol: str) -> tuple[str, ...]:
    found = gateway["spec"].get("listeners") or []
    return tuple(str(one["name"]) for one in found if one.get("protocol") == protocol)


def _when(event: Object) -> str:
    """The scheduler's events have other times than the kubelet's."""
    return str(
        event.get("lastTimestamp")
        or event.get("eventTime")
        or event["metadata"].get("creationTimestamp")
    )


def _held(namespace: str, found: Object) -> str:
    conditions = (found.get("status") or {}).get("conditions") or []
    why = "; ".join(
        str(one.get("message"))
        for one in conditions
        if one.get("status") == "True" and "Remaining" in str(one.get("type"))
    )
    return (
        f"The namespace {namespace} has been going away for {DELETION_SECONDS:.0f} s: "
        f"{why or 'nothing says what holds it'}. Remove what holds it; it is tried again."
    )
