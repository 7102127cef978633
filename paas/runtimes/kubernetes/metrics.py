"""What processes use, from metrics-server."""

from __future__ import annotations

from paas.runtimes.base import RuntimeFailure, Usage
from paas.runtimes.kubernetes import slots
from paas.runtimes.kubernetes.cluster import Cluster
from paas.runtimes.kubernetes.errors import ApiError, Gone
from paas.runtimes.kubernetes.kinds import POD, POD_METRICS
from paas.runtimes.kubernetes.names import selector
from paas.runtimes.kubernetes.observing import name_of

_BINARY = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}
_DECIMAL = {"n": 1e-9, "u": 1e-6, "m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9}


class NoMetrics(RuntimeFailure):
    """The cluster measures nothing."""


def usage(cluster: Cluster, app_id: str) -> list[Usage]:
    """The body of `Runtime.metrics`.

    Raises:
        NoMetrics: no metrics-server runs in the cluster.
    """
    namespace = cluster.namespace(app_id)
    try:
        measured = cluster.client.get(POD_METRICS, namespace, "").get("items") or []
    except Gone:
        raise NoMetrics(
            "The cluster measures nothing: no metrics-server runs in it. Install it (k3s brings "
            "it along) to see CPU and memory; everything else works without."
        ) from None
    except ApiError as error:
        raise NoMetrics(f"The cluster's metrics-server does not answer: {error.message}") from error
    pods = cluster.client.items(POD, namespace, labels=selector(app_id))
    numbers = slots.numbered(pods)
    names = {pod["metadata"]["name"]: name_of(pod, numbers) for pod in pods}
    found = [
        Usage(
            names[one["metadata"]["name"]],
            memory=int(sum(quantity(c["usage"]["memory"]) for c in one["containers"])),
            cores=sum(quantity(c["usage"]["cpu"]) for c in one["containers"]),
        )
        for one in measured
        if names.get(one["metadata"]["name"])
    ]
    return sorted(found, key=lambda one: one.name)


def quantity(text: str) -> float:
    """A Kubernetes quantity as a number: `12m`, `34567n`, `21Mi`, `5e3`."""
    for suffix, factor in (*_BINARY.items(), *_DECIMAL.items()):
        if text.endswith(suffix):
            return float(text[: -len(suffix)]) * factor
    return float(text)
