"""What an apply sends, changes and leaves."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from paas.runtimes.base import Autoscale, NotHealthy, Progress, RuntimeFailure
from paas.runtimes.kubernetes import KubernetesRuntime, kinds
from tests.fakekube.faults import ApiFault, PodFault
from tests.fakekube.server import FakeKube
from tests.kubernetes.conftest import BUILD, make_spec, web, worker
from tests.kubernetes.driving import deploy, namespace, objects, up_to_ready, versions

Within = Callable[[Callable[[], object]], None]
Kubectl = Callable[..., str]


@pytest.fixture
def kubectl(kube: FakeKube, tmp_path: Path) -> Kubectl:
    config = kube.kubeconfig(tmp_path / "kubectl")

    def run(*arguments: str, text: str = "") -> str:
        done = subprocess.run(
            [".venv/bin/kubectl", f"--kubeconfig={config}", *arguments],
            input=text,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def test_the_same_again_writes_nothing(kube: FakeKube, runtime: KubernetesRuntime) -> None:
    spec = make_spec(web(quantity=2), worker(quantity=0))
    deploy(runtime, spec, 1)
    before = versions(kube, spec)
    deploy(runtime, spec, 2)
    assert versions(kube, spec) == before


def test_a_deploy_takes_few_calls_and_asks_nothing_twice(
    kube: FakeKube, runtime: KubernetesRuntime
) -> None:
    spec = make_spec(web(), worker())
    deploy(runtime, spec, 1)
    start = len(kube.cluster.requests)
    deploy(runtime, replace(spec, environment={"BODY": "two"}, release=2), 2)
    calls = kube.cluster.requests[start:]
    assert len(calls) <= 35
    gets = [(call.resource, call.name) for call in calls if call.verb == "get"]
    assert all(gets.count(get) <= 3 for get in gets)  # the Lease, at each decision
    assert {resource for resource, _ in gets} <= {"leases"}


def test_a_process_scaled_to_none_never_runs(kube: FakeKube, runtime: KubernetesRuntime) -> None:
    spec = make_spec(web(), worker(quantity=0))
    deploy(runtime, spec)
    pods = objects(kube, spec, kinds.POD).values()
    assert {pod["metadata"]["labels"]["paas.dev/process"] for pod in pods} == {"web"}


def test_release_bodies_own_no_replicas(kube: FakeKube, runtime: KubernetesRuntime) -> None:
    spec = make_spec(web(quantity=3))
    deploy(runtime, spec)
    (deployment,) = objects(kube, spec, kinds.DEPLOYMENT).values()
    owners = {
        entry["manager"]
        for entry in deployment["metadata"]["managedFields"]
        if "f:replicas" in entry["fieldsV1"].get("f:spec", {})
    }
    assert owners == {"paas-scale"}
    assert deployment["spec"]["replicas"] == 3


def test_what_is_no_longer_asked_for_goes_and_what_others_made_stays(
    kube: FakeKube, runtime: KubernetesRuntime, kubectl: Kubectl
) -> None:
    spec = make_spec(web(quantity=2), worker())
    deploy(runtime, spec, 1)
    theirs = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "theirs"}}
    kubectl("-n", namespace(spec), "apply", "-f", "-", text=json.dumps(theirs))
    deploy(runtime, replace(spec, processes=(web(),), release=2), 2)
    there = objects(kube, spec)
    assert ("Deployment", "worker") not in there
    assert ("PodDisruptionBudget", "web") not in there
    assert ("Secret", "theirs") in there


def test_somebody_elses_scale_is_a_named_conflict(
    kube: FakeKube, runtime: KubernetesRuntime, kubectl: Kubectl
) -> None:
    spec = make_spec(web(), worker())
    deploy(runtime, spec, 1)
    kubectl("-n", namespace(spec), "scale", "deployment/worker", "--replicas=3")
    assert runtime.scaled_by(spec.app_id, "worker") == "kubectl"
    assert runtime.scaled_by(spec.app_id, "web") == ""
    with pytest.raises(RuntimeFailure, match="kubectl"):
        deploy(runtime, replace(spec, processes=(web(), worker(quantity=2))), 2)
    events = deploy(runtime, replace(spec, environment={"BODY": "two"}, release=2), 3)
    assert Progress("How many worker processes run is left to kubectl") in events
    assert objects(kube, spec)["Deployment", "worker"]["spec"]["replicas"] == 3
    assert runtime.drift([replace(spec, environment={"BODY": "two"}, release=2)]) == {}


def test_somebody_elses_edit_is_a_named_conflict(
    kube: FakeKube, runtime: KubernetesRuntime, kubectl: Kubectl
) -> None:
    spec = make_spec()
    deploy(runtime, spec, 1)
    kubectl("-n", namespace(spec), "set", "env", "deployment/web", "PORT=1234")
    with pytest.raises(RuntimeFailure, match=r"PORT.*kubectl"):
        deploy(runtime, spec, 2)


def test_an_autoscaler_decides_and_gives_back(kube: FakeKube, runtime: KubernetesRuntime) -> None:
    spec = make_spec(web(autoscale=Autoscale(2, 4, 70)))
    deploy(runtime, spec, 1)
    scaler = objects(kube, spec)["HorizontalPodAutoscaler", "web"]
    assert (scaler["spec"]["minReplicas"], scaler["spec"]["maxReplicas"]) == (2, 4)
    assert ("PodDisruptionBudget", "web") in objects(kube, spec)
    deploy(runtime, replace(spec, processes=(web(quantity=1),)), 2)
    there = objects(kube, spec)
    assert ("HorizontalPodAutoscaler", "web") not in there
    assert there["Deployment", "web"]["spec"]["replicas"] == 1


def test_a_build_for_one_machine_is_refused(runtime: KubernetesRuntime) -> None:
    spec = make_spec(artifact=replace(BUILD, kind="host"))
    with pytest.raises(RuntimeFailure, match="PAAS_BUILDER=nix"):
        deploy(runtime, spec)


FAULTS = {
    "pull": "could not be pulled",
    "create": "missing on the machine",
    "config": "configuration is not usable",
    "start": "could not be started",
    "crash": "exited with status 7",
    "oom": "used more than its 512Mi of memory",
    "unschedulable": "no machine with room",
    "invalid-image": "no valid image name",
    "startup": "did not accept connections|failed its health check",
}


@pytest.mark.parametrize(("fault", "text"), FAULTS.items())
def test_a_failed_rollout_says_why_and_the_old_pods_serve_on(
    kube: FakeKube, runtime: KubernetesRuntime, fault: str, text: str
) -> None:
    spec = make_spec()
    deploy(runtime, spec, 1)
    (old,) = objects(kube, spec, kinds.POD)
    broken = replace(spec, release=2, artifact=replace(BUILD, image=f"img:{fault}"))
    kube.cluster.faults.pods.append(
        PodFault(fault, image=f"img:{fault}", exit_code=7, output="boom: no DATABASE_URL")
    )
    with pytest.raises(NotHealthy, match=text) as failure:
        deploy(runtime, broken, 2)
    assert failure.value.process == "web.1"
    if fault == "crash":
        assert failure.value.output == ("boom: no DATABASE_URL",)
    assert old in objects(kube, spec, kinds.POD)
    assert "deletionTimestamp" not in objects(kube, spec, kinds.POD)[old]["metadata"]
    (deployment,) = objects(kube, spec, kinds.DEPLOYMENT).values()
    assert deployment["spec"]["template"]["spec"]["containers"][0]["image"] == BUILD.image


def test_a_deleted_namespace_is_built_anew(
    kube: FakeKube, runtime: KubernetesRuntime, kubectl: Kubectl
) -> None:
    spec = make_spec()
    deploy(runtime, spec, 1)
    before = set(objects(kube, spec))
    kubectl("delete", "namespace", namespace(spec), "--wait=false")
    deploy(runtime, spec, 2)
    assert set(objects(kube, spec)) == before


def test_an_api_that_is_busy_or_cuts_connections_is_tried_again(
    kube: FakeKube, runtime: KubernetesRuntime
) -> None:
    faults = [
        ApiFault(verb="patch", status=429, retry_after=0, times=2),
        ApiFault(verb="patch", status=409, message="the object has been modified", times=2),
        ApiFault(verb="patch", status=500, times=1),
        ApiFault(verb="patch", drop="after", times=2),
        ApiFault(verb="create", drop="after", times=1),
        ApiFault(verb="list", drop="before", times=3),
    ]
    kube.cluster.faults.api += faults
    spec = make_spec(web(), worker())
    deploy(runtime, spec, 1)
    assert all(fault.times == 0 for fault in faults)


def test_a_cut_watch_goes_on(kube: FakeKube, runtime: KubernetesRuntime) -> None:
    spec = make_spec(web())
    kube.cluster.faults.pods.append(
        PodFault("slow", labels={"paas.dev/app": spec.app_id}, after=15.0)
    )
    events = runtime.apply(spec, 1)
    for number, _ in enumerate(events):
        if number == 4:
            kube.cut()
    assert runtime.observe(spec.app_id)[0].release == 1


def test_closing_before_ready_leaves_nothing_of_a_first_release(
    kube: FakeKube, runtime: KubernetesRuntime
) -> None:
    spec = make_spec()
    events = up_to_ready(runtime.apply(spec, 1))
    events.close()  # type: ignore[attr-defined]
    assert objects(kube, spec, kinds.DEPLOYMENT) == {}
    assert runtime.routes().hosts.get(spec.hosts[0]) is None
