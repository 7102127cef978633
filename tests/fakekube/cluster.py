"""A cluster's whole state, and what tests ask and order of it."""

from __future__ import annotations

import asyncio
import secrets
import ssl
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from .clock import Clock, micro_stamp, stamp
from .controllers import controllers
from .controllers.base import Controller, condition
from .controllers.kubelet import Kubelet
from .errors import Json
from .faults import Faults
from .kinds import Kind, named
from .processes import end_all
from .rbac import Access
from .store import Event, Store
from .verbs import Call, Deletion, Verbs

QUEUE_SECONDS = 0.01
"""Real seconds from a change to the controllers' look at it; a client sees the state between."""


@dataclass
class Recorded:
    """A request, as it came. Args: status: 0 until it is answered (a watch: until its end)."""

    verb: str
    resource: str
    namespace: str
    name: str
    user: str
    query: dict[str, str] = field(default_factory=dict)
    status: int = 0


class Cluster:
    """Objects, controllers and faults of one fake cluster.

    Args:
        speed: how many cluster seconds pass in a real one.
        run: real processes for containers: "once" for pods that do not
            restart (Jobs, one-offs), "all", or "none".
        entrypoint: what images have for one; put before the arguments of
            containers without a command.
        node: a program of this machine that plays the node: it gets what a
            container is to run as its last arguments.

    Attributes:
        invalid: what `kubernetes-validate` says against objects that were sent.
        bugs: tracebacks of the fake's own errors; the end of the `with` fails.
        requests: all requests so far, in the order of their arrival.
        metrics: whether metrics.k8s.io is installed.
    """

    def __init__(
        self,
        *,
        speed: float = 1.0,
        run: str = "once",
        entrypoint: Sequence[str] = (),
        node: Sequence[str] = (),
    ) -> None:
        self.clock = Clock(speed)
        self.run, self.entrypoint, self.node = run, tuple(entrypoint), tuple(node)
        self.store = Store()
        self.verbs = Verbs(self.store)
        self.verbs.before_create = self._denied
        self.access = Access(self.store)
        self.faults = Faults()
        self.invalid: list[str] = []
        self.bugs: list[str] = []
        self.requests: list[Recorded] = []
        self.metrics = True
        self.loop: asyncio.AbstractEventLoop | None = None
        self.kubelet = Kubelet(self)
        self._controllers: list[Controller] = controllers(self)
        self._queue: dict[tuple[Controller, str, str], None] = {}
        self._scheduled = False
        self._timers: set[asyncio.TimerHandle] = set()
        self._event_names: dict[tuple[str, str, str], str] = {}
        self.store.listeners.append(self._changed)

    # --- life -------------------------------------------------------------
    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begins, with a node and the namespaces that every cluster has."""
        self.loop = loop
        loop.set_exception_handler(self._unhandled)
        self.add_node("node-1")
        for name in ("default", "kube-system", "kube-public", "kube-node-lease"):
            self._create("Namespace", {"metadata": {"name": name}})

    async def stop(self) -> None:
        self._scheduled = True  # nothing is looked at any more
        for timer in self._timers:
            timer.cancel()
        await self.kubelet.stop()
        await end_all()

    def add_node(self, name: str, *, cpu: str = "1000", memory: str = "4Ti") -> None:
        """One more node; pods are few beside its size unless a test makes it small."""
        room = {"cpu": cpu, "memory": memory, "pods": "10000"}
        labels = {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux"}
        node = self._create("Node", {"metadata": {"name": name, "labels": labels}, "spec": {}})
        info = {"kubeletVersion": "v1.36.2", "osImage": "fake", "architecture": "amd64",
                "containerRuntimeVersion": "fake://1", "kernelVersion": "6.1", "machineID": name,
                "operatingSystem": "linux", "kubeProxyVersion": "", "bootID": name,
                "systemUUID": name}  # fmt: skip
        ready = condition("Ready", True, "KubeletReady", "kubelet is posting ready status")
        status = {"capacity": room, "allocatable": room, "conditions": [ready], "nodeInfo": info,
                  "addresses": [{"type": "InternalIP", "address": "10.0.0.1"}]}  # fmt: skip
        self.verbs.set_status(named("Node"), node, status)

    def _create(self, kind: str, obj: Json) -> Json:
        found = named(kind)
        return self.verbs.create(found, obj["metadata"].get("namespace", ""), obj, Call())

    # --- controllers ------------------------------------------------------
    def _changed(self, event: Event) -> None:
        for controller in self._controllers:
            for namespace, name in controller.keys_of(event):
                self.enqueue(controller, namespace, name)

    def enqueue(self, controller: Controller, namespace: str, name: str) -> None:
        """Has a controller look at a key soon, once however often it is asked."""
        self._queue[(controller, namespace, name)] = None
        if not self._scheduled and self.loop is not None:
            self._scheduled = True
            self.loop.call_later(QUEUE_SECONDS, self._drain)

    @property
    def busy(self) -> bool:
        """Whether controllers have keys to look at."""
        return bool(self._queue)

    def _drain(self) -> None:
        batch, self._queue, self._scheduled = list(self._queue), {}, False
        for controller, namespace, name in batch:
            try:
                controller.reconcile(namespace, name)
            except Exception:  # one key's trouble is not the others'
                self.bug()

    def bug(self) -> None:
        """Notes the exception that is being handled: an error of the fake itself."""
        self.bugs.append(traceback.format_exc())

    def _unhandled(self, _loop: asyncio.AbstractEventLoop, context: Json) -> None:
        error = context.get("exception")
        text = "".join(traceback.format_exception(error)) if error else str(context)
        if not isinstance(error, (ConnectionError, ssl.SSLError)):
            self.bugs.append(text)

    def later(self, seconds: float, call: Callable[[], object]) -> None:
        """Calls after cluster seconds."""
        assert self.loop is not None
        handle: asyncio.TimerHandle

        def run() -> None:
            self._timers.discard(handle)
            call()

        handle = self.loop.call_later(self.clock.real(seconds), run)
        self._timers.add(handle)

    def _denied(self, kind: Kind, obj: Json) -> None:
        for denial in self.faults.denials:
            denial.check(kind, obj)

    def event(self, kind: Kind, obj: Json, word: str, reason: str, message: str) -> None:
        """Records an Event about an object; an equal one counts up.

        Args:
            word: Normal or Warning.
        """
        metadata = obj["metadata"]
        events, namespace = named("Event"), metadata.get("namespace", "default")
        same = (metadata["uid"], reason, message)
        known = self.store.get(events, namespace, self._event_names.get(same, ""))
        if known is not None:
            again = {**known, "count": known["count"] + 1, "lastTimestamp": stamp()}
            self.store.put(events, again)
            return
        name = f"{metadata['name']}.{secrets.token_hex(8)}"
        self._event_names[same] = name
        scheduled = reason in ("Scheduled", "FailedScheduling")
        about = {"kind": kind.kind, "apiVersion": kind.api_version, "name": metadata["name"],
                 "namespace": namespace, "uid": metadata["uid"],
                 "resourceVersion": metadata.get("resourceVersion", "")}  # fmt: skip
        times: Json = {"firstTimestamp": stamp(), "lastTimestamp": stamp(), "eventTime": None}
        if scheduled:
            times = {"firstTimestamp": None, "lastTimestamp": None, "eventTime": micro_stamp()}
        body = {
            "apiVersion": "v1", "kind": "Event", "involvedObject": about, "reason": reason,
            "message": message, "type": word, "count": 1, **times,
            "source": {"component": _component(kind, reason)},
            "metadata": {"name": name, "namespace": namespace, "uid": secrets.token_hex(16),
                         "creationTimestamp": stamp()},
        }  # fmt: skip
        self.store.put(events, body)

    # --- for tests --------------------------------------------------------
    def call(self, function: Callable[[], Any]) -> Any:
        """Runs a function in the cluster's loop, from a test's thread."""
        assert self.loop is not None

        async def run() -> Any:
            return function()

        return asyncio.run_coroutine_threadsafe(run(), self.loop).result(30)

    def get(self, kind: str, namespace: str, name: str) -> Json | None:
        """A stored object, as `get("Deployment", "shop", "web")`; not to be changed."""
        return self.store.get(named(kind), namespace, name)

    def all(self, kind: str, namespace: str = "") -> list[Json]:
        found: list[Json] = self.call(lambda: self.store.all(named(kind), namespace))
        return found

    def create(self, kind: str, obj: Json) -> Json:
        """Creates an object as somebody with all rights."""
        created: Json = self.call(lambda: self._create(kind, obj))
        return created

    def set_status(self, kind: str, namespace: str, name: str, status: Json) -> None:
        """Plays a controller that the fake lacks: cert-manager, an ingress, an autoscaler."""
        found = named(kind)

        def run() -> None:
            self.verbs.set_status(found, self.verbs.get(found, namespace, name), status)

        self.call(run)

    def delete(self, kind: str, namespace: str, name: str) -> None:
        """Deletes an object behind the client's back."""
        self.call(
            lambda: self.verbs.delete(named(kind), namespace, name, Deletion(grace=0), Call())
        )

    def compact(self) -> None:
        """Forgets history: whoever resumes a watch from before gets a 410."""
        self.call(self.store.compact)

    def restore(self) -> None:
        """As from a backup: revisions go on from an earlier one, which clients are beyond."""
        self.call(self.store.restore)

    def run_cron_job(self, namespace: str, name: str) -> Json:
        """Plays the clock: starts a CronJob's Job now."""
        from .controllers.jobs import start_cron_job

        job: Json = self.call(lambda: start_cron_job(self, namespace, name))
        return job

    def autoscale(self, namespace: str, name: str, replicas: int) -> None:
        """Plays the load: an HPA wants this many."""
        from .controllers.scaling import scale_to

        self.call(lambda: scale_to(self, namespace, name, replicas))


def _component(kind: Kind, reason: str) -> str:
    if reason in ("Scheduled", "FailedScheduling"):
        return "default-scheduler"
    names = {"Pod": "kubelet", "Deployment": "deployment-controller", "Job": "job-controller",
             "ReplicaSet": "replicaset-controller"}  # fmt: skip
    return names.get(kind.kind, "controllermanager")
