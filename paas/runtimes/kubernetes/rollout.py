"""One `apply`: write the Deployments, watch their pods come up, commit, lead traffic, prune.

Until the commit the live release's Deployments are in the app's state as they
were applied: whatever fails, they are applied once more. Killed at any point,
the next `apply` makes of it what its spec says.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYet
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TypeVar

from paas.runtimes.base import (
    AppSpec,
    Event,
    ProcessSpec,
    Progress,
    Ready,
    RuntimeFailure,
    StaleToken,
    Switched,
    Waiting,
)
from paas.runtimes.kubernetes import diagnosis, slots
from paas.runtimes.kubernetes.cluster import Cluster, routes_of
from paas.runtimes.kubernetes.errors import Conflict
from paas.runtimes.kubernetes.feed import Feed
from paas.runtimes.kubernetes.kinds import (
    AUTOSCALER,
    DEPLOYMENT,
    HTTP_ROUTE,
    JOB,
    POD,
    REPLICASET,
)
from paas.runtimes.kubernetes.names import ONE_OFF, Object, selector
from paas.runtimes.kubernetes.objects import PROGRESS_SECONDS, WAITS, AppObjects
from paas.runtimes.kubernetes.pods import image_of
from paas.runtimes.kubernetes.pruning import prune
from paas.runtimes.kubernetes.routes import NAMES, routing_of
from paas.runtimes.kubernetes.scaling import Scaling, start_count
from paas.runtimes.kubernetes.state import AppState
from paas.runtimes.kubernetes.together import together
from paas.runtimes.kubernetes.verdict import Judge, Trouble, Wanted, newest_of, owner_of, uid_of

logger = logging.getLogger(__name__)

_T = TypeVar("_T")
_BEAT = 0.4
"""Seconds between two `Waiting`."""
_UNDO_SECONDS = 20.0
"""How long the end of an undone change is waited for: the old pods are there already."""
_DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"


@dataclass
class _Awaited:
    """A Deployment whose pods must come up; `replaced` are uids of pods that must go first."""

    process: ProcessSpec
    name: str
    judge: Judge
    replaced: set[str] = field(default_factory=set)

    @property
    def names(self) -> str:
        """ "web.1, web.2"; the type where somebody else counts, "" where none is to run."""
        count = self.judge.wanted.replicas
        if count is None:
            return self.process.type
        return ", ".join(f"{self.process.type}.{n}" for n in range(1, count + 1))


class Rollout:
    """Makes one spec true; its caller drives `steps()`."""

    def __init__(self, cluster: Cluster, spec: AppSpec, token: int) -> None:
        self._cluster, self._spec, self._token = cluster, spec, token
        self._client = cluster.client
        self._state = AppState()
        self._objects = AppObjects(cluster.settings, spec)
        self._namespace = self._objects.namespace
        self._touched: dict[str, Object | None] = {}  # Deployment's name → as it was
        self._awaited: list[_Awaited] = []
        self._left_alone: dict[str, str] = {}  # process type → who decides its number
        self._scaling = Scaling(self._client, self._namespace)
        self._feed = Feed(
            self._client,
            (DEPLOYMENT, REPLICASET, POD),
            self._namespace,
            labels=selector(spec.app_id),
        )

    def steps(self) -> Iterator[Event]:
        """The body of `Runtime.apply`; see the contract there."""
        image_of(self._spec)
        with ThreadPoolExecutor(1, thread_name_prefix="rollout") as pool, self._feed:
            try:
                yield from _patiently(pool, self._begin)
                yield from _patiently(pool, self._write_all)
                yield from self._wait()
                yield Ready()
            except StaleToken:
                raise
            except BaseException:
                self._discard()
                raise
            # The caller has committed: from here on there is only forward.
            yield from _patiently(pool, self._commit)
            yield from _patiently(pool, self._finish)
        yield Switched()

    # --- begin --------------------------------------------------------------------
    def _begin(self) -> None:
        """Become the app's steersman in the cluster's eyes, too, and see what there is."""
        self._cluster.lay_ground(self._objects)
        states, app_id = self._cluster.states, self._spec.app_id
        states.claim(self._namespace, app_id, self._token)
        self._state = states.read(self._namespace, app_id)
        self._feed.start()
        self._end_orphans()
        folds = _folds(self._spec, self._state)
        self._state = replace(self._state, folds=folds)
        self._objects = AppObjects(self._cluster.settings, self._spec, rolls_of(self._spec, folds))

    def _end_orphans(self) -> None:
        """A release phase belongs to whoever steers: what runs of one now has lost its worker."""
        one_offs = f"{selector(self._spec.app_id)},{ONE_OFF}"
        jobs = self._client.items(JOB, self._namespace, labels=one_offs)
        for job in jobs:
            meta = job["metadata"]
            name = meta["labels"][ONE_OFF]
            if WAITS in (meta.get("annotations") or {}) and name.startswith("release."):
                self._client.delete(JOB, self._namespace, meta["name"], uid=meta["uid"])

    # --- write --------------------------------------------------------------------
    def _write_all(self) -> None:
        self._retire_autoscalers()
        there = {body["metadata"]["name"]: body for body in self._feed.objects(DEPLOYMENT)}
        for process, body in zip(self._spec.processes, self._objects.deployments(), strict=True):
            name = body["metadata"]["name"]
            self._write(process, body, there.get(name))
        if any(one.replaced for one in self._awaited):
            # Written down at once: the next try must not restart them once more.
            done = {one.type: dict(one.restarts) for one in self._spec.processes}
            self._state = self._cluster.states.update(
                self._namespace,
                self._spec.app_id,
                lambda state: replace(state, restarts=done),
            )

    def _retire_autoscalers(self) -> None:
        """Those of types that are to have a fixed number: they would set it back meanwhile."""
        fixed = {self._objects.names[one.type] for one in self._spec.processes if not one.autoscale}
        labels = selector(self._spec.app_id)
        for scaler in self._client.items(AUTOSCALER, self._namespace, labels=labels):
            meta = scaler["metadata"]
            if meta["name"] in fixed:
                self._client.delete(AUTOSCALER, self._namespace, meta["name"], uid=meta["uid"])

    def _write(self, process: ProcessSpec, body: Object, before: Object | None) -> None:
        """Apply one Deployment, with its number of pods, and note what must be waited for."""
        name = body["metadata"]["name"]
        self._touched[name] = before
        if before is None and start_count(process) != 1:
            # Else it would begin with one pod, before anybody can say how many.
            paused = self._client.apply({**body, "spec": {**body["spec"], "paused": True}})
            self._scaling.set(paused, process)
        try:
            now = self._client.apply(body)
        except Conflict:
            if before is not None:
                del self._touched[name]  # nothing of it was written, so nothing is to be undone
            raise
        if before is not None:
            self._choose_leavers(process, now)
        scaled = self._scale(process, now)
        replaced = self._restart(process, name) if before is not None else set()
        kept = (
            before is not None
            and before["metadata"]["generation"] == now["metadata"]["generation"]
            and self._state.live_named(name) is not None
        )
        if kept and not scaled and not replaced:
            return
        follows = process.autoscale and process.quantity
        foreign = process.type in self._left_alone
        replicas = None if follows or foreign else process.quantity
        wanted = Wanted(
            name, now["metadata"]["generation"], replicas, self._cluster.settings.boot_seconds
        )
        self._awaited.append(_Awaited(process, name, Judge(wanted), replaced))

    def _scale(self, process: ProcessSpec, now: Object) -> bool:
        """Set its number; a deploy that asks for no other one leaves somebody else's alone.

        Raises:
            Conflict: another number is asked for, and somebody else decides about it.
        """
        try:
            return self._scaling.set(now, process)
        except Conflict as error:
            if self._state.quantities.get(process.type) != process.quantity:
                raise
            managers = ", ".join(sorted({one.manager for one in error.contested}))
            self._left_alone[process.type] = managers
            return False

    def _choose_leavers(self, process: ProcessSpec, now: Object) -> None:
        """Let a scale-down take the last ones, `worker.3` before `worker.1`."""
        wanted = start_count(process)
        if process.autoscale is not None or wanted >= now["spec"].get("replicas", 1):
            return
        for pod, number in self._numbered_pods(now["metadata"]["name"]):
            if number > wanted:
                meta = pod["metadata"]
                cost = {"metadata": {"annotations": {_DELETION_COST: str(-number)}}}
                with suppress(RuntimeFailure):  # it only chooses who goes
                    self._client.merge(POD, self._namespace, meta["name"], cost)

    def _restart(self, process: ProcessSpec, name: str) -> set[str]:
        """Delete the single processes that were asked to restart; the uids of their pods."""
        done = self._state.restarts.get(process.type)
        if done is None or start_count(process) < 2:
            return set()
        asked = {
            int(key) for key, count in process.restarts.items() if key and count > done.get(key, 0)
        }
        replaced = set()
        for pod, number in self._numbered_pods(name):
            if number in asked:
                meta = pod["metadata"]
                self._client.delete(POD, self._namespace, meta["name"], uid=meta["uid"])
                replaced.add(meta["uid"])
        return replaced

    def _numbered_pods(self, name: str) -> Iterator[tuple[Object, int]]:
        """The pods of a Deployment's newest version that stay, with their numbers."""
        pods = self._feed.objects(POD)
        numbers = slots.numbered(pods)
        newest = self._newest(name)
        for pod in pods:
            leaves = pod["metadata"].get("deletionTimestamp")
            if newest is not None and owner_of(pod) == uid_of(newest) and not leaves:
                yield pod, numbers.get(uid_of(pod), 0)

    def _newest(self, name: str) -> Object | None:
        deployment = self._deployment(name)
        return deployment and newest_of(deployment, self._feed.objects(REPLICASET))

    def _deployment(self, name: str) -> Object | None:
        found = self._feed.objects(DEPLOYMENT)
        return next((body for body in found if body["metadata"]["name"] == name), None)

    # --- wait ---------------------------------------------------------------------
    def _wait(self) -> Iterator[Event]:
        """Until all pods are up; fails as soon as it is certain that one will not be."""
        for kind, manager in self._left_alone.items():
            yield Progress(f"How many {kind} processes run is left to {manager}")
        starting = [one.names for one in self._awaited if one.names]
        if starting:
            yield Progress("Starting " + ", ".join(starting))
        deadline = time.monotonic() + PROGRESS_SECONDS + 2 * self._cluster.settings.boot_seconds
        pending, seen = list(self._awaited), 0
        while pending:
            for one in list(pending):
                if self._is_up(one):
                    pending.remove(one)
                    if one.names:
                        yield Progress(f"{one.names} {'are' if ',' in one.names else 'is'} up")
                else:
                    self._judge(one, late=time.monotonic() > deadline)
            if pending:
                self._refuse_silence()
                seen = self._feed.wait(_BEAT, seen)
                yield Waiting()

    def _is_up(self, one: _Awaited) -> bool:
        if not one.judge.is_done(self._deployment(one.name)):
            return False
        if not one.replaced:
            return True
        staying = {uid_of(pod) for pod, _ in self._numbered_pods(one.name) if _is_ready(pod)}
        return not staying & one.replaced and len(staying) >= start_count(one.process)

    def _judge(self, one: _Awaited, *, late: bool) -> None:
        """
        Raises:
            NotHealthy: it will not come up.
        """
        pods = self._feed.objects(POD)
        trouble = one.judge.trouble(
            self._deployment(one.name), self._feed.objects(REPLICASET), pods
        )
        if trouble is None and late:
            trouble = Trouble("did not become ready in time")
        if trouble is not None:
            raise diagnosis.not_healthy(self._cluster, one.process.type, trouble, pods)

    def _refuse_silence(self) -> None:
        silence = self._feed.silence()
        if silence is not None and silence[0] > self._cluster.settings.patience:
            raise silence[1]

    # --- after the caller's commit --------------------------------------------------
    def _commit(self) -> None:
        """Make this the live release, in the state first."""

        def committed(state: AppState) -> AppState:
            self._cluster.states.check(self._namespace, self._token)
            return replace(
                state,
                release=self._spec.release,
                restarts={one.type: dict(one.restarts) for one in self._spec.processes},
                folds=self._state.folds,
                quantities={one.type: one.quantity for one in self._spec.processes},
                live=tuple(self._objects.deployments()),
            ).routed(routing_of(self._spec))

        self._state = self._cluster.states.update(
            self._namespace, self._spec.app_id, committed, known=self._state
        )

    def _finish(self) -> None:
        """Lead the traffic, and delete what is left of earlier releases."""
        companions = self._objects.companions()
        together(self._client.apply, companions)
        routes = lead(self._cluster, self._spec.app_id, self._state)
        desired = [*self._objects.ground(), *self._objects.deployments(), *companions, *routes]
        prune(
            self._client,
            self._namespace,
            self._spec.app_id,
            desired,
            self._feed.objects(DEPLOYMENT),
            [*self._feed.objects(REPLICASET), *self._feed.objects(POD)],
        )

    # --- undo -----------------------------------------------------------------------
    def _discard(self) -> None:
        """Put the live release's Deployments back, unless somebody newer steers now."""
        if not self._touched:
            return
        try:
            self._cluster.states.check(self._namespace, self._token)
            undone = [self._undo(name, before) for name, before in self._touched.items()]
            self._await_undone([judge for judge in undone if judge is not None])
        except StaleToken:
            return
        except RuntimeFailure:
            logger.exception("a change of %s could not be undone; reconcile will", self._spec.name)

    def _undo(self, name: str, before: Object | None) -> Judge | None:
        live = self._state.live_named(name)
        if live is None:
            if ((before or {}).get("status") or {}).get("availableReplicas"):
                self._freeze(name)
            else:
                self._client.delete(DEPLOYMENT, self._namespace, name)
            return None
        now = self._client.apply(live)
        replicas = before["spec"].get("replicas", 1) if before else None
        if replicas is not None and now["spec"].get("replicas", 1) != replicas:
            self._client.scale(self._namespace, name, replicas)
        return Judge(Wanted(name, now["metadata"]["generation"], replicas))

    def _freeze(self, name: str) -> None:
        """Our memory of what was live is lost: at least let the pods of it serve on."""
        for body in self._objects.deployments():
            if body["metadata"]["name"] == name:
                self._client.apply({**body, "spec": {**body["spec"], "paused": True}})

    def _await_undone(self, judges: list[Judge]) -> None:
        """At once where the old pods still serve; not where a whole release had replaced them."""
        deadline, seen = time.monotonic() + _UNDO_SECONDS, 0
        while time.monotonic() < deadline:
            if all(judge.is_done(self._deployment(judge.wanted.name)) for judge in judges):
                return
            seen = self._feed.wait(_BEAT, seen)


def lead(cluster: Cluster, app_id: str, state: AppState) -> list[Object]:
    """Make the routes what the state says, and what it says meanwhile; returns them."""
    namespace = cluster.namespace(app_id)
    while True:
        made = routes_of(cluster, app_id, state)
        for body in made:
            cluster.client.apply(body)
        now = cluster.states.read(namespace, app_id)
        if now.routing == state.routing:
            return made
        state = now


def clear_away(cluster: Cluster, app_id: str, made: Iterable[Object]) -> None:
    """Delete the routes that `lead` has no longer made, without waiting for a reconcile."""
    there = {(body["kind"], body["metadata"]["name"]) for body in made}
    namespace, by_gateway = cluster.namespace(app_id), bool(cluster.settings.gateway)
    for kind, name in NAMES:
        if (kind.name, name) not in there and (kind is HTTP_ROUTE) == by_gateway:
            cluster.client.delete(kind, namespace, name)


def rolls_of(spec: AppSpec, folds: Mapping[str, int]) -> dict[str, int]:
    """Process type → how often all its processes were asked to restart."""
    return {one.type: one.restarts.get("", 0) + folds.get(one.type, 0) for one in spec.processes}


def _folds(spec: AppSpec, state: AppState) -> dict[str, int]:
    """Restarts of a type's only process: carried out as a rollout, so that it never is away."""
    folds = dict(state.folds)
    for process in spec.processes:
        done = state.restarts.get(process.type)
        asked = process.restarts.get("1", 0) - (done or {}).get("1", 0)
        if done is not None and asked > 0 and start_count(process) == 1:
            folds[process.type] = folds.get(process.type, 0) + asked
    return folds


def _is_ready(pod: Object) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or []
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def _patiently(pool: ThreadPoolExecutor, work: Callable[[], _T]) -> Iterator[Event]:
    """Do `work` beside, and let the caller know that we live; ends with it even when closed."""
    future: Future[_T] = pool.submit(work)
    try:
        while True:
            try:
                future.result(_BEAT)
                return
            except NotYet:
                if future.done():
                    raise
                yield Waiting()
    finally:
        if not future.done():
            with suppress(BaseException):
                future.result()
