"""Which runtime this panel has: `PAAS_RUNTIME` names it, and `PAAS_BUILDER` must fit.

Each runtime is imported when it is asked for: none needs the others.
"""

from __future__ import annotations

import os

from paas.instance import Instance
from paas.runtimes.base import Runtime, RuntimeFailure

LOCAL, KUBERNETES = "local", "kubernetes"


def make_runtime(name: str, instance: Instance) -> Runtime:
    """The runtime of that name.

    Raises:
        RuntimeFailure: there is none, or its settings cannot be used.
    """
    if name == LOCAL:
        from paas.runtimes.local import LocalRuntime

        return LocalRuntime(instance)
    if name == KUBERNETES:
        from paas.runtimes.kubernetes import KubernetesRuntime
        from paas.runtimes.kubernetes.board import Board
        from paas.runtimes.kubernetes.settings import ClusterSettings

        return KubernetesRuntime(ClusterSettings.of(), Board(redis_url(instance)))
    raise RuntimeFailure(f"PAAS_RUNTIME={name} is unknown. Use {LOCAL} or {KUBERNETES}.")


def redis_url(instance: Instance) -> str:
    return os.environ.get("PAAS_REDIS_URL") or f"unix://{instance.redis_socket}"


def misfit(runtime: str, builder: str) -> str:
    """Why this builder's results cannot run there, and what to do; "" if they can."""
    if runtime == KUBERNETES and builder == "host":
        return (
            "PAAS_RUNTIME=kubernetes cannot run what the host builder makes: a folder of this "
            "machine, where a cluster needs an image. Set PAAS_BUILDER=nix."
        )
    return ""
