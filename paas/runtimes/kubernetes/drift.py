"""Whether the cluster still is as the specs say: one list per kind, however many apps there are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain, islice
from typing import Any

from paas.runtimes.base import AppSpec, RuntimeFailure
from paas.runtimes.kubernetes.cluster import Cluster, routes_of
from paas.runtimes.kubernetes.kinds import DEPLOYMENT, NAMESPACE, SECRET, SERVICE_ACCOUNT
from paas.runtimes.kubernetes.names import (
    APP,
    OURS,
    SCALE_MANAGER,
    Object,
    foreign_writers,
    selector,
)
from paas.runtimes.kubernetes.objects import AppObjects
from paas.runtimes.kubernetes.pruning import LISTED
from paas.runtimes.kubernetes.rollout import rolls_of
from paas.runtimes.kubernetes.routes import routing_of
from paas.runtimes.kubernetes.scaling import CONTROLLER, owners, start_count
from paas.runtimes.kubernetes.state import AppState, parse
from paas.runtimes.kubernetes.verdict import owner_of

_COMPARED = (NAMESPACE, SERVICE_ACCOUNT, SECRET, DEPLOYMENT, *LISTED)
_KEYS = ("name", "containerPort", "host", "ip", "type", "topologyKey")
"""What tells the entries of a list apart, where they are maps."""

Found = dict[tuple[str, str], Object]
"""An app's objects, by kind and name."""


def drift(cluster: Cluster, specs: Iterable[AppSpec]) -> dict[str, str]:
    """The body of `Runtime.drift`."""
    specs = iter(specs)
    few = list(islice(specs, 2))  # not all: a thousand specs are not held at once
    labels = selector(few[0].app_id) if len(few) == 1 else OURS
    namespace = cluster.namespace(few[0].app_id) if len(few) == 1 else ""
    found: dict[str, Found] = defaultdict(dict)
    for kind in _COMPARED:
        for body in cluster.client.items(kind, namespace, labels=labels):
            app_id = (body["metadata"].get("labels") or {}).get(APP)
            if app_id and not body["metadata"].get("deletionTimestamp"):
                found[app_id][kind.name, body["metadata"]["name"]] = body
    differing = (
        (spec.app_id, _first(cluster, spec, found[spec.app_id])) for spec in chain(few, specs)
    )
    return {app_id: text for app_id, text in differing if text}


def _first(cluster: Cluster, spec: AppSpec, found: Found) -> str:
    """The first thing that is not as `spec` says."""
    try:
        return next(_differences(cluster, spec, found), "")
    except RuntimeFailure as error:  # a build for another runtime: applying it says so, too
        return str(error)


def _differences(cluster: Cluster, spec: AppSpec, found: Found) -> Iterator[str]:
    state = parse(body for (kind, _), body in found.items() if kind == SECRET.name)
    objects = AppObjects(cluster.settings, spec, rolls_of(spec, state.folds))
    routes = routes_of(cluster, spec.app_id, state.routed(routing_of(spec)))
    deployments = objects.deployments()
    wanted = [*objects.ground(), *deployments, *objects.companions(), *routes]
    for body in wanted:
        kind, name = body["kind"], body["metadata"]["name"]
        live = found.get((kind, name))
        if live is None:
            yield f"{kind} {name} is missing"
        elif changed := difference(_contents(body), live):
            others = ", ".join(sorted(foreign_writers(live)))
            yield f"{kind} {name} was changed: {changed}{f' (by {others})' if others else ''}"
    yield from _scaled(spec, deployments, found, state)
    names = {(body["kind"], body["metadata"]["name"]) for body in wanted}
    for (kind, name), body in found.items():
        if kind in _PRUNED and (kind, name) not in names and not owner_of(body):
            yield f"{kind} {name} is left over"


def _scaled(
    spec: AppSpec, deployments: Iterable[Object], found: Found, state: AppState
) -> Iterator[str]:
    """Numbers that are not as asked for; one that somebody else has set was told about once."""
    for process, body in zip(spec.processes, deployments, strict=True):
        live = found.get((DEPLOYMENT.name, body["metadata"]["name"]))
        if live is None or process.autoscale is not None:
            continue
        asked = state.quantities.get(process.type) == process.quantity
        foreign = set(owners(live)) - {SCALE_MANAGER, CONTROLLER}
        count = live["spec"].get("replicas")
        if count != start_count(process) and not (asked and foreign):
            yield f"{process.type} was scaled to {count}"


_PRUNED = frozenset(kind.name for kind in (DEPLOYMENT, *LISTED))


def _contents(body: Object) -> Object:
    """Without what the items of a list do not say of themselves."""
    return {key: part for key, part in body.items() if key not in ("kind", "apiVersion")}


def difference(wanted: Any, live: Any, path: str = "") -> str:
    """Where `live` lacks something of `wanted`; "" if it has it all, whatever else it has."""
    steps: Iterable[tuple[str, Any, Any]]
    if isinstance(wanted, Mapping) and isinstance(live, Mapping):
        steps = ((f"{path}.{key}", value, live.get(key)) for key, value in wanted.items())
    elif isinstance(wanted, list) and isinstance(live, list):
        steps = _paired(wanted, live, path)
    else:
        return "" if wanted == live or (not wanted and not live) else path.removeprefix(".")
    return next((text for at, one, other in steps if (text := difference(one, other, at))), "")


def _paired(wanted: list[Any], live: list[Any], path: str) -> Iterator[tuple[str, Any, Any]]:
    """Entries that are to be compared: by their key, or by their place."""
    for index, one in enumerate(wanted):
        key = next((key for key in _KEYS if isinstance(one, Mapping) and key in one), None)
        if key is None:
            yield f"{path}[{index}]", one, live[index] if index < len(live) else None
        else:
            same = (
                other for other in live if isinstance(other, Mapping) and other.get(key) == one[key]
            )
            yield f"{path}[{one[key]}]", one, next(same, None)
