"""What an apply sends, changes and leaves."""

from __future__ import annotations

from dataclasses import replace

import pytest

from paas.runtimes.base import NotHealthy, RuntimeFailure
from paas.runtimes.kubernetes import KubernetesRuntime, kinds
from tests.fakekube.faults import ApiFault, PodFault
from tests.fakekube.server import FakeKube
from tests.kubernetes.conftest import BUILD, make_spec, web, worker
from tests.kubernetes.driving import deploy, objects, up_to_ready


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
