"""Killed, cut off, deleted from: one more apply makes exactly what the spec says."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from paas.runtimes.base import AppSpec, NotHealthy, Progress
from paas.runtimes.kubernetes import KubernetesRuntime, kinds
from paas.runtimes.kubernetes.client import Client
from tests.fakekube.server import FakeKube
from tests.kubernetes.conftest import SETTINGS, make_spec, web, worker
from tests.kubernetes.driving import deploy, namespace, objects

POINTS = ("claimed", "written", "ready", "switch", "committed", "companion", "routed")


def die_at(point: str, spec: AppSpec, token: int, folder: Path) -> None:
    """Apply in another process, which is killed there."""
    order = folder / "order"
    order.write_bytes(pickle.dumps((spec, token)))
    (folder / f"kubernetes.{point}").write_text("kill")
    done = subprocess.run(
        [sys.executable, "-m", "tests.kubernetes.killed", str(order)],
        env={**os.environ, "PAAS_FAULTS_DIR": str(folder)},
        check=False,
    )
    assert done.returncode == -9


def names(kube: FakeKube, spec: AppSpec) -> set[tuple[str, str]]:
    """All but environments of earlier releases, which their ReplicaSets keep."""
    return {key for key in objects(kube, spec) if not key[1].startswith("env-")}


@pytest.mark.parametrize("point", POINTS)
def test_killed_anywhere_one_apply_mends_it(
    kube: FakeKube, runtime: KubernetesRuntime, tmp_path: Path, point: str
) -> None:
    spec = make_spec(web(quantity=2), worker())
    deploy(runtime, spec, 1)
    wanted = names(kube, spec)
    changed = replace(
        spec, release=2, environment={"BODY": "two"}, processes=(web(quantity=2), worker("sleep 9"))
    )
    die_at(point, changed, 2, tmp_path)
    forward = point in ("committed", "companion", "routed")
    current = changed if forward else spec
    deploy(runtime, current, 3)
    assert names(kube, spec) == wanted
    assert runtime.drift([current]) == {}
    assert {one.release for one in runtime.observe(spec.app_id) if one.state == "up"} == {
        current.release
    }


@pytest.mark.parametrize("phase", ["begin", "wait", "ready"])
def test_an_api_that_is_away_for_a_while_fails_no_deploy(
    kube: FakeKube, runtime: KubernetesRuntime, phase: str
) -> None:
    spec = make_spec(web(), worker())
    events = runtime.apply(spec, 1)

    def away() -> None:
        kube.cluster.faults.down(4.0)

    if phase == "begin":
        away()
    for event in events:
        if phase == "wait" and isinstance(event, Progress) and "Starting" in event.text:
            away()
        if phase == "ready" and type(event).__name__ == "Ready":
            away()
    assert runtime.drift([spec]) == {}


@pytest.mark.parametrize(
    ("kind", "name"),
    [(kinds.SERVICE, "web"), (kinds.INGRESS, "web"), (kinds.DEPLOYMENT, "worker")],
)
def test_what_somebody_deleted_is_found_and_comes_back(
    kube: FakeKube, runtime: KubernetesRuntime, kind: kinds.Kind, name: str
) -> None:
    spec = make_spec(web(), worker())
    deploy(runtime, spec, 1)
    Client().delete(kind, namespace(spec), name)
    assert runtime.drift([spec]) == {spec.app_id: f"{kind.name} {name} is missing"}
    deploy(runtime, spec, 2)
    assert runtime.drift([spec]) == {}


def test_what_somebody_changed_is_named(kube: FakeKube, runtime: KubernetesRuntime) -> None:
    spec = make_spec()
    deploy(runtime, spec, 1)
    change = {"spec": {"ports": [{"name": "http", "port": 81, "targetPort": "http"}]}}
    Client().merge(kinds.SERVICE, namespace(spec), "web", change)
    assert "Service web was changed: spec.ports[http].port" in runtime.drift([spec])[spec.app_id]


def test_a_thousand_unchanged_apps_are_looked_at_with_few_calls(
    kube: FakeKube, runtime: KubernetesRuntime
) -> None:
    specs = [make_spec(web(), worker()) for _ in range(3)]
    for spec in specs:
        deploy(runtime, spec, 1)
    start, began = len(kube.cluster.requests), time.monotonic()
    assert runtime.drift(specs * 300) == {}
    calls = kube.cluster.requests[start:]
    assert len(calls) <= 20
    assert {call.verb for call in calls} == {"list"}
    assert time.monotonic() - began < 10


def test_settings_of_the_tests_are_those_of_production_but_for_patience() -> None:
    assert replace(SETTINGS, patience=45.0, cluster_issuer="") == type(SETTINGS)()


def test_a_lost_memory_takes_nobody_down(kube: FakeKube, runtime: KubernetesRuntime) -> None:
    spec = make_spec()
    deploy(runtime, spec, 1)
    Client().delete(kinds.SECRET, namespace(spec), "paas-state")
    broken = replace(spec, release=2, processes=(web("exit 3"),))
    with pytest.raises(NotHealthy):
        deploy(runtime, broken, 2)
    assert 1 in [one.release for one in runtime.observe(spec.app_id) if one.state == "up"]
    deploy(runtime, spec, 3)
    assert runtime.drift([spec]) == {}
