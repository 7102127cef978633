"""Whether the cluster answers, and lets the panel do what it must: asked before the start."""

from __future__ import annotations

from paas.runtimes.base import RuntimeFailure
from paas.runtimes.kubernetes.client import Client
from paas.runtimes.kubernetes.settings import ClusterSettings

_PATIENCE = 5.0
_NEEDED = (
    ("", "namespaces", "create"),
    ("", "secrets", "patch"),
    ("", "pods", "watch"),
    ("apps", "deployments", "patch"),
    ("batch", "cronjobs", "patch"),
    ("networking.k8s.io", "ingresses", "patch"),
    ("networking.k8s.io", "ingresses", "watch"),
)
"""One right of each kind; the whole ClusterRole is in docs/operations.md."""


def describe() -> str:
    """Which cluster it is, as text.

    Raises:
        RuntimeFailure: it does not answer, or forbids what is needed; the text says which.
    """
    ClusterSettings.of()
    client = Client(_PATIENCE)
    version = client.version()
    missing = [
        f"{verb} {name}"
        for group, name, verb in _NEEDED
        if not client.may({"group": group, "resource": name, "verb": verb})
    ]
    if missing:
        raise RuntimeFailure(
            f"The cluster forbids the panel's account to {', '.join(missing)}. Apply the "
            "ClusterRole of docs/operations.md."
        )
    return f"on Kubernetes {version}"
