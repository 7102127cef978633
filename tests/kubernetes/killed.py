"""Applies a spec in a process of its own, to be killed on the way."""

from __future__ import annotations

import os
from multiprocessing.synchronize import Event

import kubernetes.client
import kubernetes.config  # noqa: F401 - loaded once, before the processes are forked

from paas.runtimes.base import AppSpec, Ready
from paas.runtimes.kubernetes import KubernetesRuntime
from tests.kubernetes.conftest import SETTINGS


def apply(kubeconfig: str, spec: AppSpec, token: int, gate: Event, committed: Event) -> None:
    """Begin when `gate` is set; set `committed` where the panel writes its own commit."""
    os.environ["KUBECONFIG"] = kubeconfig
    gate.wait()
    for event in KubernetesRuntime(SETTINGS).apply(spec, token):
        if isinstance(event, Ready):
            committed.set()
