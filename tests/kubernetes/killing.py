"""Deploys in a process of its own, which is killed after one of its writes."""

from __future__ import annotations

import multiprocessing
import os
import signal

from paas.runtimes.base import AppSpec
from tests.fakekube.faults import ApiFault
from tests.fakekube.server import FakeKube
from tests.kubernetes import killed
from tests.kubernetes.driving import namespace

WRITES = frozenset({"create", "delete", "patch", "update"})


class Killer(ApiFault):
    """Kills a process when its write number `at` to a namespace arrives; that is carried out."""

    def __init__(self, namespace: str, at: int) -> None:
        super().__init__(times=None)
        self.where, self.at, self.pid, self.seen = namespace, at, 0, 0

    def matches(self, verb: str, resource: str, namespace: str, name: str) -> bool:
        if verb in WRITES and self.where in (namespace, name):
            self.seen += 1
            if self.seen == self.at and self.pid:
                os.kill(self.pid, signal.SIGKILL)
        return False


def killed_after(kube: FakeKube, spec: AppSpec, token: int, at: int) -> tuple[bool, int]:
    """Apply `spec` and die at write number `at`.

    Returns:
        Whether the panel would have committed by then, and how many writes there were.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([killed.__name__])
    gate, committed = context.Event(), context.Event()
    arguments = (os.environ["KUBECONFIG"], spec, token, gate, committed)
    process = context.Process(target=killed.apply, args=arguments)
    process.start()
    killer = Killer(namespace(spec), at)
    killer.pid = process.pid or 0
    kube.cluster.faults.api.append(killer)
    gate.set()
    process.join(60)
    kube.cluster.faults.api.remove(killer)
    assert process.exitcode in (0, -signal.SIGKILL)
    return committed.is_set(), killer.seen
