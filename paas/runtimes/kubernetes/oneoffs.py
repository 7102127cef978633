"""One-offs: a Job for what the platform itself runs, a pod for what a person does.

The exit status is the pod's: a Job does not tell it, and an attached socket
always ends with success.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from paas.runtimes.base import (
    ATTACH_TIMEOUT,
    STOP_TIMEOUT,
    AppSpec,
    LimitExceeded,
    RuntimeFailure,
    Size,
)
from paas.runtimes.kubernetes import cron, logs, objects, pods
from paas.runtimes.kubernetes.cluster import Cluster
from paas.runtimes.kubernetes.errors import ApiError, Exists, Unreachable
from paas.runtimes.kubernetes.feed import Feed
from paas.runtimes.kubernetes.kinds import JOB, POD, SECRET, Kind
from paas.runtimes.kubernetes.names import ONE_OFF, OURS, PART, Object, one_off_name, selector
from paas.runtimes.kubernetes.objects import AppObjects, OneOffOrder
from paas.runtimes.kubernetes.pruning import SECRET_OF_ORDER
from paas.runtimes.kubernetes.verdict import (
    LOST,
    Judge,
    Trouble,
    Wanted,
    containers_of,
    exit_status,
    owner_of,
    uid_of,
)

MOST_ONE_OFFS = 10
"""How many detached and attached one-offs of a type ("run") an app may run at once."""
NOT_STARTED = 125
"""Exit status of what never became the app's process (`docker run`'s)."""
EXPIRES = "paas.dev/expires"
"""Annotation of an order: the Unix time after which nobody is waited for."""
ATTENDED = "paas.dev/attended"
"""Annotation of an attached pod: the Unix time at which its client was last known to be there."""
UNATTENDED_SECONDS = 90.0
KEPT_SECONDS = 600.0
"""How long a finished pod is kept, for whoever wants to know how it ended."""
_BEAT = 0.5


class KubernetesOneOff:
    """`paas.runtimes.base.OneOff` that is a Job or a pod.

    Args:
        snapshot: its pod, where it was just looked at.
    """

    def __init__(
        self,
        cluster: Cluster,
        app_id: str,
        name: str,
        owner: tuple[Kind, Object],
        snapshot: Object | None = None,
    ) -> None:
        self.name = name
        self._cluster = cluster
        self._namespace = cluster.namespace(app_id)
        self._kind, self._owner = owner
        self._pod = snapshot
        self._judge = Judge(Wanted(name, 0, None))
        self._status: int | None = exit_status(snapshot) if snapshot else None
        self._made = time.monotonic()
        self._feed: Feed | None = None
        self._selector = f"{selector(app_id)},{ONE_OFF}={name}"

    def lines(self) -> Iterator[str]:
        """See `OneOff.lines`."""
        after = ""
        while (trouble := self._await_start()) is None and self._pod is not None:
            container = self._pod["spec"]["containers"][0]["name"]
            try:
                for stamp, text in logs.follow(
                    self._cluster.client, self._pod, container, after=after
                ):
                    after = stamp
                    yield text
                break
            except Unreachable:
                time.sleep(_BEAT)
            except ApiError:
                break  # deleted: what it said is gone with it
        if trouble is not None:
            yield f"{self.name} {trouble.reason}"
            self._status = NOT_STARTED
            self._delete()
        self.wait()

    def wait(self, timeout: float | None = None) -> int | None:
        """See `OneOff.wait`."""
        if timeout == 0 and self._pod is not None:
            return self._status
        deadline = None if timeout is None else time.monotonic() + timeout
        seen = 0
        while self._status is None:
            self._look()
            if self._status is not None or (deadline and time.monotonic() >= deadline):
                break
            seen = self._live().wait(_BEAT, seen)
        if self._status is not None:
            self._hang_up()
        return self._status

    def stop(self) -> None:
        """See `OneOff.stop`; nothing of it is left afterwards."""
        self._delete()
        if self.wait(STOP_TIMEOUT + 10) is None:
            self._status = LOST
        self._hang_up()

    def _await_start(self) -> Trouble | None:
        """Until its container has begun or ended, or certainly will not."""
        seen = 0
        while True:
            self._look()
            if self._status is not None or (self._pod is not None and _has_begun(self._pod)):
                return None
            trouble = self._trouble()
            if trouble is not None:
                return trouble
            seen = self._live().wait(_BEAT, seen)

    def _trouble(self) -> Trouble | None:
        if self._pod is not None:
            return self._judge.of_pod(self._pod)
        if time.monotonic() - self._made < pods.STOP_SECONDS:
            return None
        said = [str(event.get("message")) for event in self._cluster.events(self._owner)]
        return Trouble(f"could not be started: {said[-1] if said else 'no pod was made for it'}")

    def _look(self) -> None:
        """Take in what the watch says of its pod."""
        found = [pod for pod in self._live().objects(POD) if self._is_mine(pod)]
        if found:
            self._pod = max(found, key=lambda pod: str(pod["metadata"]["creationTimestamp"]))
            self._status = exit_status(self._pod)
        elif self._pod is not None:
            self._status = LOST

    def _is_mine(self, pod: Object) -> bool:
        """Not one of a Job of the same name, which a lost worker has left and which still ends."""
        return self._owner["metadata"]["uid"] in (uid_of(pod), owner_of(pod))

    def _live(self) -> Feed:
        if self._feed is None:
            feed = Feed(self._cluster.client, (POD,), self._namespace, labels=self._selector)
            feed.start()
            self._feed = feed
        return self._feed

    def _delete(self) -> None:
        meta = self._owner["metadata"]
        self._cluster.client.delete(
            self._kind, self._namespace, meta["name"], uid=meta.get("uid", "")
        )

    def _hang_up(self) -> None:
        if self._feed is not None:
            self._feed.close()


@dataclass(frozen=True)
class Order:
    """One-off that is to be made, in full."""

    spec: AppSpec
    name: str
    command: str
    environment: Mapping[str, str]
    size: Size
    timeout: float | None


def run(cluster: Cluster, order: Order, *, detached: bool) -> KubernetesOneOff:
    """The body of `Runtime.run`."""
    app_id = order.spec.app_id
    if detached:
        _refuse_too_many(cluster, app_id, order.name)
    head, pod = _prepared(cluster, order, waits=not detached)
    kind = POD if detached and order.name.startswith("run.") else JOB
    body = objects.pod(head, pod) if kind is POD else objects.job(head, pod)
    return KubernetesOneOff(cluster, app_id, order.name, (kind, _create(cluster, kind, body)))


def run_attached(cluster: Cluster, order: Order) -> None:
    """The body of `Runtime.run_attached`: the pod is written down, and made by `attach`.

    Whether it has a terminal, which nobody knows before, stands in its spec.
    """
    app_id = order.spec.app_id
    _refuse_too_many(cluster, app_id, order.name)
    head, spec = _prepared(cluster, order, waits=True, attached=True)
    secret = objects.order(head, objects.pod(head, spec))
    secret["metadata"]["annotations"] = {
        EXPIRES: str(int(time.time() + ATTACH_TIMEOUT)),
        SECRET_OF_ORDER: _environment(order)["metadata"]["name"],
    }
    cluster.client.apply(secret)


def claim(cluster: Cluster, app_id: str, name: str) -> Object:
    """Take the pod that `run_attached` wrote down: of several who try, one gets it.

    Raises:
        RuntimeFailure: it is not there.
    """
    for secret in _orders(cluster, app_id, name):
        meta = secret["metadata"]
        mine = cluster.client.delete(SECRET, meta["namespace"], meta["name"], uid=meta["uid"])
        if mine and not _has_expired(secret):
            pod: Object = json.loads(objects.decoded(secret)["pod"])
            return pod
    raise RuntimeFailure(f"{name} has ended, or somebody is attached to it already.")


def find(cluster: Cluster, app_id: str, name: str) -> KubernetesOneOff | None:
    """The body of `Runtime.find_one_off`."""
    namespace = cluster.namespace(app_id)
    labels = f"{selector(app_id)},{ONE_OFF}={name}"
    jobs = cluster.client.items(JOB, namespace, labels=labels)
    found = cluster.client.items(POD, namespace, labels=labels)
    if jobs:
        own = next((pod for pod in found if owner_of(pod) == uid_of(jobs[0])), None)
        return KubernetesOneOff(cluster, app_id, name, (JOB, jobs[0]), own)
    return KubernetesOneOff(cluster, app_id, name, (POD, found[0]), found[0]) if found else None


def stop(cluster: Cluster, app_id: str, name: str) -> bool:
    """The body of `Runtime.stop`."""
    namespace, client = cluster.namespace(app_id), cluster.client
    labels = f"{selector(app_id)},{ONE_OFF}={name}"
    there = [
        (kind, body)
        for kind in (SECRET, JOB, POD)
        for body in client.items(kind, namespace, labels=labels)
    ]
    if not there and name.startswith("cron."):
        there = [(JOB, one) for one in cron.jobs(cluster, app_id) if one_off_name(one) == name]
    found = False
    for kind, body in there:
        meta = body["metadata"]
        found |= client.delete(kind, namespace, meta["name"], uid=meta["uid"])
    return found


def sweep(cluster: Cluster) -> None:
    """Delete orders nobody came for, pods that ended long ago, and those their client has left."""
    client, now = cluster.client, time.time()
    for secret in client.items(SECRET, labels=f"{OURS},{PART}=order"):
        if _has_expired(secret):
            meta = secret["metadata"]
            client.delete(SECRET, meta["namespace"], meta["name"], uid=meta["uid"])
    for pod in client.items(POD, labels=f"{OURS},{ONE_OFF}"):
        meta = pod["metadata"]
        attended = (meta.get("annotations") or {}).get(ATTENDED, "")
        left = attended.isdecimal() and now - int(attended) > UNATTENDED_SECONDS
        if left or (not meta.get("ownerReferences") and _ended_before(pod, now - KEPT_SECONDS)):
            client.delete(POD, meta["namespace"], meta["name"], uid=meta["uid"])


# --- parts -----------------------------------------------------------------------
def _prepared(
    cluster: Cluster, order: Order, *, waits: bool, attached: bool = False
) -> tuple[Object, Object]:
    """Lay the ground; the metadata and the spec of the pod."""
    ground = AppObjects(cluster.settings, order.spec)
    environment = _environment(order)
    pod = pods.one_off_pod(
        cluster.settings,
        order.spec,
        order.command,
        order.size,
        secret=environment["metadata"]["name"],
        timeout=order.timeout,
        attached=attached,
    )
    cluster.lay_ground(ground)
    environment["metadata"]["namespace"] = ground.namespace
    cluster.client.apply(environment)
    wanted = OneOffOrder(order.name, order.command, order.size, waits)
    return objects.one_off_head(order.spec, ground.namespace, wanted), pod


def _environment(order: Order) -> Object:
    """The Secret with the app's environment and what was added to it for this once."""
    merged = {**order.spec.environment, **order.environment}
    return objects.environment_secret("", order.spec.app_id, merged)


def _create(cluster: Cluster, kind: Kind, body: Object) -> Object:
    """Make it; one of that name that a lost worker has left goes first."""
    meta = body["metadata"]
    deadline = time.monotonic() + STOP_TIMEOUT + 10
    while True:
        try:
            return cluster.client.create(body)
        except Exists:
            if time.monotonic() > deadline:
                raise
            cluster.client.delete(kind, meta["namespace"], meta["name"], grace=1)
            time.sleep(_BEAT)


def _refuse_too_many(cluster: Cluster, app_id: str, name: str) -> None:
    """
    Raises:
        LimitExceeded: as many of that type run or wait already.
    """
    kind = name.partition(".")[0]
    running = cluster.client.items(
        POD, cluster.namespace(app_id), labels=f"{selector(app_id)},{ONE_OFF}"
    )
    alike = [
        body
        for body in [*running, *_orders(cluster, app_id)]
        if body["metadata"]["labels"][ONE_OFF].partition(".")[0] == kind
        and exit_status(body) is None
    ]
    if len(alike) >= MOST_ONE_OFFS:
        raise LimitExceeded(f"{MOST_ONE_OFFS} one-off processes are running")


def _orders(cluster: Cluster, app_id: str, name: str = "") -> list[Object]:
    labels = f"{selector(app_id)},{PART}=order" + (f",{ONE_OFF}={name}" if name else "")
    return cluster.client.items(SECRET, cluster.namespace(app_id), labels=labels)


def _has_expired(secret: Object) -> bool:
    text = (secret["metadata"].get("annotations") or {}).get(EXPIRES, "")
    return bool(text.isdecimal() and int(text) < time.time())


def _has_begun(pod: Object) -> bool:
    states = [container.get("state") or {} for container in containers_of(pod)]
    return any("running" in state or "terminated" in state for state in states)


def _ended_before(pod: Object, moment: float) -> bool:
    ends = [
        (container.get("state") or {}).get("terminated", {}).get("finishedAt")
        for container in containers_of(pod)
    ]
    return bool(ends) and all(
        end is not None and datetime.fromisoformat(end).timestamp() < moment for end in ends
    )
