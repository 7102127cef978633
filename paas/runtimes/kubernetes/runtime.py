"""The Kubernetes runtime: `paas.runtimes.base.Runtime` on a cluster."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from paas.runtimes.base import (
    AppSpec,
    Attachment,
    Certificate,
    Event,
    LogSource,
    OneOff,
    ProcessStatus,
    RouteTable,
    RuntimeFailure,
    Size,
    Terminal,
    Usage,
)
from paas.runtimes.kubernetes import (
    attaching,
    certificates,
    drift,
    kinds,
    metrics,
    observing,
    oneoffs,
    preview,
)
from paas.runtimes.kubernetes.board import Board
from paas.runtimes.kubernetes.cluster import Cluster
from paas.runtimes.kubernetes.names import APP, OURS, object_name, selector
from paas.runtimes.kubernetes.objects import Routing
from paas.runtimes.kubernetes.rollout import Rollout, lead
from paas.runtimes.kubernetes.scaling import Scaling
from paas.runtimes.kubernetes.settings import ClusterSettings
from paas.runtimes.kubernetes.state import AppState

_SWEEP_EVERY = 30.0
_SHORT = 3.0  # seconds


class KubernetesRuntime:
    """Runs apps on the cluster of `KUBECONFIG`, or the one this process runs in.

    Methods say in `paas.runtimes.base.Runtime` what they do.

    Args:
        board: where an observer writes what all processes do.
    """

    def __init__(self, settings: ClusterSettings, board: Board | None = None) -> None:
        self._cluster = Cluster.of(settings)
        # Who only asks, a page or the worker's clock, is not kept waiting for an API that is away.
        self._asked = Cluster.of(replace(settings, patience=min(settings.patience, _SHORT)))
        self._board = board
        self._next_sweep = 0.0

    def apply(self, spec: AppSpec, token: int) -> Iterator[Event]:
        yield from Rollout(self._cluster, spec, token).steps()

    def route(
        self, app_id: str, hosts: tuple[str, ...], *, maintenance: bool, routing: int
    ) -> None:
        states, namespace = self._cluster.states, self._cluster.namespace(app_id)
        wanted = Routing(hosts, maintenance, routing)
        state = states.read(namespace, app_id)
        if not state.release:
            return  # nothing was applied yet: the first apply brings its own
        lead(
            self._cluster,
            app_id,
            states.update(namespace, app_id, lambda now: now.routed(wanted), known=state),
        )

    def tend(self) -> bool:
        if time.monotonic() >= self._next_sweep:
            self._next_sweep = time.monotonic() + _SWEEP_EVERY
            oneoffs.sweep(self._asked)
        return False

    def observe(self, *app_ids: str) -> list[ProcessStatus]:
        if len(app_ids) != 1:
            every = self._observe_all()
            return [one for one in every if one.app_id in app_ids] if app_ids else every
        (app_id,) = app_ids
        return self._observe(self._asked.namespace(app_id), selector(app_id))

    def _observe_all(self) -> list[ProcessStatus]:
        seen = self._board.read() if self._board is not None else None
        return seen if seen is not None else self._observe("", OURS)

    def _observe(self, namespace: str, labels: str) -> list[ProcessStatus]:
        found = (
            self._asked.client.items(kind, namespace, labels=labels)
            for kind in (kinds.DEPLOYMENT, kinds.REPLICASET, kinds.POD)
        )
        return observing.statuses(*found)

    def run(
        self,
        spec: AppSpec,
        command: str,
        *,
        name: str,
        detached: bool = False,
        timeout: float | None = None,
        environment: Mapping[str, str] | None = None,
        size: Size | None = None,
    ) -> OneOff:
        order = oneoffs.Order(spec, name, command, environment or {}, size or Size(), timeout)
        return oneoffs.run(self._cluster, order, detached=detached)

    def find_one_off(self, app_id: str, name: str) -> OneOff | None:
        return oneoffs.find(self._asked, app_id, name)

    def run_attached(
        self,
        spec: AppSpec,
        command: str,
        *,
        name: str,
        timeout: float,
        environment: Mapping[str, str] | None = None,
        size: Size | None = None,
    ) -> None:
        order = oneoffs.Order(spec, name, command, environment or {}, size or Size(), timeout)
        oneoffs.run_attached(self._cluster, order)

    def attach(self, app_id: str, name: str, terminal: Terminal | None) -> Attachment:
        return attaching.attach(self._cluster, app_id, name, terminal)

    def stop(self, app_id: str, name: str) -> bool:
        return oneoffs.stop(self._cluster, app_id, name)

    def remove(self, app_id: str, token: int) -> None:
        namespace = self._cluster.namespace(app_id)
        found = self._cluster.find_namespace(namespace)
        if found is None:
            return
        meta = found["metadata"]
        if (meta.get("labels") or {}).get(APP) != app_id:
            raise RuntimeFailure(f"The namespace {namespace} is not ours: it is left alone.")
        if not meta.get("deletionTimestamp"):
            self._cluster.states.check(namespace, token)
            self._cluster.client.delete(kinds.NAMESPACE, "", namespace, uid=meta["uid"])
        self._cluster.await_deletion(namespace)

    def apps(self) -> list[str]:
        found = self._asked.client.items(kinds.NAMESPACE, labels=OURS)
        return sorted(
            one["metadata"]["labels"][APP]
            for one in found
            if APP in one["metadata"]["labels"] and not one["metadata"].get("deletionTimestamp")
        )

    def log_sources(self) -> list[LogSource]:
        return []  # the cluster keeps its logs itself: see `logs`

    def routes(self) -> RouteTable:
        client = self._asked.client
        hosts = {
            rule["host"]: one["metadata"]["labels"][APP]
            for one in client.items(kinds.INGRESS, labels=OURS)
            for rule in one["spec"].get("rules") or []
            if rule.get("host")
        }
        for one in client.items(kinds.HTTP_ROUTE, labels=OURS):
            app_id = one["metadata"]["labels"][APP]
            hosts |= dict.fromkeys(one["spec"].get("hostnames") or [], app_id)
        return RouteTable(hosts=hosts, ports={})

    def certificate(self, host: str) -> Certificate:
        return certificates.look_up(self._asked, host)

    def metrics(self, app_id: str) -> list[Usage]:
        return metrics.usage(self._asked, app_id)

    def max_quantity(self, process_type: str) -> int | None:
        return None

    autoscales = True

    def drift(self, specs: Iterable[AppSpec]) -> Mapping[str, str]:
        return drift.drift(self._asked, specs)

    def preview(self, spec: AppSpec) -> list[str]:
        return list(preview.changes(self._asked, spec))

    def scaled_by(self, app_id: str, process_type: str) -> str:
        namespace = self._asked.namespace(app_id)
        state: AppState = self._asked.states.read(namespace, app_id)
        names = {
            body["metadata"]["annotations"]["paas.dev/name"]: body["metadata"]["name"]
            for body in state.live
        }
        name = names.get(process_type, object_name(process_type))
        found = self._asked.client.items(
            kinds.DEPLOYMENT, namespace, fields=f"metadata.name={name}"
        )
        return Scaling(self._asked.client, namespace).foreign_owner(found[0]) if found else ""
