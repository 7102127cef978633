"""Apps on a Kubernetes cluster: a spec becomes objects, and the cluster does the rest.

`KubernetesRuntime` is loaded when somebody asks for it, and the official
client at the first call: importing that costs half a second and 40 MB.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from paas.runtimes.kubernetes.runtime import KubernetesRuntime

__all__ = ["KubernetesRuntime"]


def __getattr__(name: str) -> object:
    if name == "KubernetesRuntime":
        from paas.runtimes.kubernetes.runtime import KubernetesRuntime

        return KubernetesRuntime
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
