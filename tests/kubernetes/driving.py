"""How tests drive a runtime and look at a cluster."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.request import urlopen

from paas.runtimes.base import AppSpec, Event, Ready, Runtime
from paas.runtimes.kubernetes import kinds
from paas.runtimes.kubernetes.kinds import Kind
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
    *(kinds.SERVICE_ACCOUNT, kinds.SECRET, kinds.SERVICE, kinds.DEPLOYMENT, kinds.INGRESS),
    *(kinds.NETWORK_POLICY, kinds.BUDGET, kinds.AUTOSCALER, kinds.CRON_JOB, kinds.MIDDLEWARE),
)


def objects(kube: FakeKube, spec: AppSpec, *which: Kind) -> dict[tuple[str, str], Any]:
    """What is in an app's namespace, by kind and name."""
    found = {}
    for kind in which or APPLIED:
        with urlopen(kube.url + kind.path(namespace(spec))) as answer:
            items = json.load(answer)["items"] or []
        found |= {(kind.name, item["metadata"]["name"]): item for item in items}
    return found


def versions(kube: FakeKube, spec: AppSpec) -> dict[tuple[str, str], str]:
    return {key: body["metadata"]["resourceVersion"] for key, body in objects(kube, spec).items()}
