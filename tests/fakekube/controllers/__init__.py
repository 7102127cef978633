"""Small stand-ins for Kubernetes' controllers, one module per concern.

Each has a `reconcile(namespace, name)` that looks at what is and does the
next step; changes of objects bring the keys to look at. None keeps state that
a second look could not find again, but for clocks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .base import Controller
from .budgets import Budgets
from .deployments import Deployments
from .endpoints import Endpoints
from .garbage import Garbage, Namespaces
from .jobs import Jobs
from .replicasets import ReplicaSets
from .scaling import Autoscalers
from .scheduler import Cordons, Scheduler

if TYPE_CHECKING:
    from ..cluster import Cluster


def controllers(cluster: Cluster) -> list[Controller]:
    """All of them."""
    return [
        Garbage(cluster), Namespaces(cluster), Deployments(cluster), ReplicaSets(cluster),
        Jobs(cluster), Scheduler(cluster), Cordons(cluster), cluster.kubelet, Endpoints(cluster),
        Budgets(cluster), Autoscalers(cluster),
    ]  # fmt: skip
