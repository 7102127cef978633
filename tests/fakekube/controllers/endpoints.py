"""EndpointSlices and Endpoints: the addresses of a Service's ready pods."""

from __future__ import annotations

import secrets
from typing import Any

from ..clock import stamp
from ..errors import Json
from ..kinds import Kind, named
from ..selectors import by_spec
from ..store import Event
from .base import POD, Controller, Keys, is_over, is_ready, key_of, owned_by

SERVICE, SLICE, ENDPOINTS = named("Service"), named("EndpointSlice"), named("Endpoints")
_SERVICE_LABEL = "kubernetes.io/service-name"


class Endpoints(Controller):
    """One slice and one Endpoints per Service with a selector."""

    def keys_of(self, event: Event) -> Keys:
        if event.kind is SERVICE:
            yield key_of(event.obj)
        elif event.kind is POD and _matters(event):
            for service in self.store.all(SERVICE, event.obj["metadata"]["namespace"]):
                yield key_of(service)

    def reconcile(self, namespace: str, name: str) -> None:
        service = self.store.get(SERVICE, namespace, name)
        if service is None:
            self._clean(namespace, name)
            return
        selector = service["spec"].get("selector")
        if not selector:
            return
        fits = by_spec({"matchLabels": selector})
        pods = [
            pod for pod in self.store.all(POD, namespace)
            if fits(pod["metadata"].get("labels", {})) and pod.get("status", {}).get("podIP")
            and not is_over(pod)
        ]  # fmt: skip
        self._write(SLICE, service, _slice(service, pods))
        self._write(ENDPOINTS, service, _endpoints(service, pods))

    def _clean(self, namespace: str, name: str) -> None:
        found = self.store.get(ENDPOINTS, namespace, name)
        if found is not None:
            self.store.remove(ENDPOINTS, found)

    def _write(self, kind: Kind, service: Json, body: Json) -> None:
        namespace, name = key_of(service)
        if kind is SLICE:
            own = [o for k, o in self.store.owned(service["metadata"]["uid"]) if k is SLICE]
            live = own[0] if own else None
        else:
            live = self.store.get(kind, namespace, name)
        if live is not None:
            if any(live.get(k) != v for k, v in body.items()):
                self.store.put(kind, {**live, **body})
            return
        metadata: Json = {
            "name": name if kind is ENDPOINTS else f"{name}-{secrets.token_hex(3)[:5]}",
            "namespace": namespace, "uid": secrets.token_hex(16), "creationTimestamp": stamp(),
            "labels": {_SERVICE_LABEL: name} if kind is SLICE else {},
        }  # fmt: skip
        if kind is SLICE:
            metadata["ownerReferences"] = owned_by(SERVICE, service)
        head = {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata}
        self.store.put(kind, {**head, **body})


def _matters(event: Event) -> bool:
    def look(pod: Json | None) -> Any:
        if pod is None:
            return None
        return is_ready(pod), pod.get("status", {}).get("podIP"), _serves(pod)

    return event.type == "DELETED" or look(event.obj) != look(event.old)


def _serves(pod: Json) -> bool:
    """A pod that is going gets no new traffic, ready as it may be."""
    return is_ready(pod) and "deletionTimestamp" not in pod["metadata"]


def _port(port: Json, pods: list[Json]) -> int | None:
    """A target port as a number; a name is looked up in the pods' containers."""
    target = port.get("targetPort", port["port"])
    if isinstance(target, int):
        return target
    for pod in pods:
        for container in pod["spec"]["containers"]:
            for each in container.get("ports", []):
                if each.get("name") == target:
                    return int(each["containerPort"])
    return None


def _slice(service: Json, pods: list[Json]) -> Json:
    rows = []
    for pod in pods:
        going = "deletionTimestamp" in pod["metadata"]
        rows.append(
            {"addresses": [pod["status"]["podIP"]],
             "conditions": {"ready": _serves(pod), "serving": is_ready(pod), "terminating": going},
             "nodeName": pod["spec"]["nodeName"], "targetRef": _reference(pod)}
        )  # fmt: skip
    ports = [
        {"name": p.get("name", ""), "port": number, "protocol": p.get("protocol", "TCP")}
        for p in service["spec"].get("ports", []) if (number := _port(p, pods)) is not None
    ]  # fmt: skip
    return {"addressType": "IPv4", "endpoints": rows, "ports": ports}


def _endpoints(service: Json, pods: list[Json]) -> Json:
    ports = _slice(service, pods)["ports"]
    ready = [_address(pod) for pod in pods if _serves(pod)]
    waiting = [
        _address(pod) for pod in pods
        if not is_ready(pod) and "deletionTimestamp" not in pod["metadata"]
    ]  # fmt: skip
    subset = {"addresses": ready, "notReadyAddresses": waiting, "ports": ports}
    subset = {name: rows for name, rows in subset.items() if rows}
    return {"subsets": [subset] if ready or waiting else []}


def _address(pod: Json) -> Json:
    return {"ip": pod["status"]["podIP"], "nodeName": pod["spec"]["nodeName"],
            "targetRef": _reference(pod)}  # fmt: skip


def _reference(pod: Json) -> Json:
    metadata = pod["metadata"]
    return {"kind": "Pod", "namespace": metadata["namespace"], "name": metadata["name"],
            "uid": metadata["uid"]}  # fmt: skip
