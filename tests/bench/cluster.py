"""What we add to a rollout on Kubernetes, and what many apps cost; against the fake API server.

With `KUBECONFIG` and `PAAS_TEST_IMAGE` set, the first rows are of that cluster.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from paas.runtimes.base import AppSpec, ProcessSpec, Ready, Switched
from paas.runtimes.kubernetes import KubernetesRuntime
from paas.runtimes.kubernetes.client import Client
from paas.runtimes.kubernetes.kinds import POD
from paas.runtimes.kubernetes.objects import AppObjects
from paas.runtimes.kubernetes.routes import Door, routes, routing_of
from paas.runtimes.kubernetes.settings import ClusterSettings
from tests.bench.table import Invalid, Row, Samples, at_most, judged
from tests.fakekube.server import FakeKube
from tests.kubernetes.conftest import BUILD, make_spec

LATENCY = 0.005
_DEPLOYS = 5
_APPS = 1000
_PODS_EACH = 5
_SETTINGS = ClusterSettings(steady_seconds=0)
_VIEW = """
import time
from paas.runtimes.kubernetes.settings import ClusterSettings
from paas.runtimes.kubernetes.view import ClusterView
view = ClusterView(ClusterSettings())
print(len(view.observe()))
time.sleep(2)
view.observe()
print(next(line for line in open("/proc/self/status") if line.startswith("VmRSS")).split()[1])
"""


def measure() -> Iterator[Row]:
    """Rows of one deploy, then of a thousand apps."""
    with tempfile.TemporaryDirectory() as folder:
        if os.environ.get("KUBECONFIG") and os.environ.get("PAAS_TEST_IMAGE"):
            yield from _deploys(KubernetesRuntime(ClusterSettings.of()), None)
            return
        with FakeKube(speed=20, run="none") as kube:
            os.environ["KUBECONFIG"] = str(kube.kubeconfig(Path(folder) / "one"))
            kube.cluster.faults.latency = LATENCY
            yield from _deploys(KubernetesRuntime(_SETTINGS), kube)
        with FakeKube(speed=20, run="none", validate=False) as kube:
            os.environ["KUBECONFIG"] = str(kube.kubeconfig(Path(folder) / "many"))
            yield from _many(kube)


def _deploys(runtime: KubernetesRuntime, kube: FakeKube | None) -> Iterator[Row]:
    image = os.environ.get("PAAS_TEST_IMAGE", "img:1")
    command = os.environ.get("PAAS_TEST_COMMAND", "exec sleep 1000")
    spec = make_spec(
        ProcessSpec("web", command, 1),
        ProcessSpec("worker", "exec sleep 1000", 1),
        artifact=replace(BUILD, image=image),
    )
    try:
        for _ in runtime.apply(spec, 1):
            pass
        calls: list[int] = []
        ours = Samples.take(_DEPLOYS, lambda n: _overhead(runtime, spec, n + 2, kube, calls))
        yield at_most("ready to routed, web+worker, 5 ms API", ours, 0.3, "the API's 5 ms a call")
        if calls:
            most = max(calls)
            yield Row("API calls of such a deploy", str(most), "≤ 35", "", judged(most <= 35))
    finally:
        runtime.remove(spec.app_id, 1_000)


def _overhead(
    runtime: KubernetesRuntime,
    spec: AppSpec,
    token: int,
    kube: FakeKube | None,
    calls: list[int],
) -> float:
    """Seconds of a deploy that we spend before the pods are begun and after they are up."""
    start = len(kube.cluster.requests) if kube else 0
    changed = replace(spec, environment={"TURN": str(token)}, release=token)
    began = time.monotonic()
    spent = 0.0
    for event in runtime.apply(changed, token):
        now = time.monotonic()
        if type(event).__name__ == "Progress" and not spent:
            spent = now - began  # all Deployments are written
        if isinstance(event, Ready):
            began = time.monotonic()
        if isinstance(event, Switched):
            spent += now - began
    if kube:
        calls.append(len(kube.cluster.requests) - start)
    return spent


def _many(kube: FakeKube) -> Iterator[Row]:
    """A thousand apps that nobody changes."""
    specs = [make_spec(ProcessSpec("web", "serve", _PODS_EACH)) for _ in range(_APPS)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(_lay_out, specs))
    wanted, deadline = _APPS * _PODS_EACH, time.monotonic() + 300
    while (there := len(Client().items(POD))) < wanted:
        if time.monotonic() > deadline:
            raise Invalid(f"only {there} of {wanted} pods came up")
        time.sleep(1)
    runtime = KubernetesRuntime(_SETTINGS)
    start, began = len(kube.cluster.requests), time.monotonic()
    differing = runtime.drift(specs)
    taken, lists = time.monotonic() - began, len(kube.cluster.requests) - start
    if differing:
        raise Invalid(f"an unchanged app differs: {next(iter(differing.items()))}")
    yield at_most(f"look at {_APPS} unchanged apps", Samples.of([taken]), 10.0, f"{lists} lists")
    yield Row("calls of that", str(lists), "≤ 20", "", judged(lists <= 20))
    pods, kilobytes = subprocess.run(
        [sys.executable, "-c", _VIEW], check=True, capture_output=True, text=True, timeout=300
    ).stdout.split()
    megabytes = int(kilobytes) / 1024
    verdict = judged(megabytes <= 150)
    yield Row(f"observer's view of {pods} pods", f"{megabytes:.0f} MB", "≤ 150 MB", "", verdict)


def _lay_out(spec: AppSpec) -> None:
    """The objects of a live app, without the ceremony of a rollout."""
    client, made = Client(), AppObjects(_SETTINGS, spec)
    bodies = [
        *made.ground(),
        *made.deployments(),
        *made.companions(),
        *routes(_SETTINGS, made.namespace, spec.app_id, routing_of(spec), Door()),
    ]
    for body in bodies:
        client.apply(body)
    client.scale(made.namespace, "web", _PODS_EACH)
