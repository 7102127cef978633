"""How tests drive a runtime and look at a cluster."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from paas.runtimes.base import AppSpec, Event, Ready, Runtime
from tests.fakekube.server import FakeKube


def deploy(runtime: Runtime, spec: AppSpec, token: int = 1) -> list[Event]:
    """Apply to the end; the events."""
    return list(runtime.apply(spec, token))


def up_to_ready(events: Iterator[Event]) -> Iterator[Event]:
    for event in events:
        if isinstance(event, Ready):
            return events
    raise AssertionError("never ready")


def namespace(spec: AppSpec) -> str:
    return f"paas-{spec.app_id}"


APPLIED = (
    *("ServiceAccount", "Secret", "Service", "Deployment", "Ingress", "NetworkPolicy"),
    *("PodDisruptionBudget", "HorizontalPodAutoscaler"),
)


def objects(kube: FakeKube, spec: AppSpec, *kinds: str) -> dict[tuple[str, str], Any]:
    """What is in an app's namespace, by kind and name."""
    from tests.fakekube.kinds import named

    return {
        (kind, body["metadata"]["name"]): body
        for kind in kinds or APPLIED
        for body in kube.cluster.call(lambda k=kind: kube.cluster.store.list(named(k), namespace(spec)))
    }


def versions(kube: FakeKube, spec: AppSpec) -> dict[tuple[str, str], str]:
    return {
        key: body["metadata"]["resourceVersion"] for key, body in objects(kube, spec).items()
    }
