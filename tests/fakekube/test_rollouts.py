"""Deployments and what their pods say when something goes wrong."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from .conftest import RESTRICTED, Http, Kubectl, deployment, eventually, path_of, pod_spec
from .faults import ApiFault, Denial, PodFault
from .kinds import named
from .server import FakeKube

WEB = "/apis/apps/v1/namespaces/shop/deployments/web"


def second(**pod: Any) -> dict[str, Any]:
    """The next release: another image."""
    return deployment(progressDeadlineSeconds=20, pod={"image": "registry.example/web:2", **pod})


def live(kube: FakeKube) -> dict[str, Any]:
    return kube.cluster.get("Deployment", "shop", "web") or {}


def status(kube: FakeKube) -> dict[str, Any]:
    return dict(live(kube).get("status", {}))


def condition(obj: dict[str, Any], kind: str) -> dict[str, Any]:
    found = obj.get("status", {}).get("conditions", [])
    return next((each for each in found if each["type"] == kind), {})


def container(kube: FakeKube, image: str = "web:2") -> dict[str, Any]:
    """The status of the new release's container, {} while there is none."""
    for pod in kube.cluster.all("Pod", "shop"):
        for each in pod.get("status", {}).get("containerStatuses", []):
            if each["image"].endswith(image):
                return dict(each)
    return {}


def waiting(kube: FakeKube, reason: str) -> dict[str, Any]:
    """The waiting state once it has this reason."""

    def check() -> Any:
        found = container(kube).get("state", {}).get("waiting", {})
        return found if found.get("reason") == reason else None

    return dict(eventually(check))


@pytest.fixture
def serving(kube: FakeKube, http: Http, shop: str) -> None:
    """The first release runs."""
    http.apply(deployment())
    eventually(
        lambda: condition(live(kube), "Progressing").get("reason") == "NewReplicaSetAvailable"
    )


def is_kept(kube: FakeKube) -> bool:
    """Whether the first release still serves."""
    return bool(container(kube, "web:1").get("ready"))


# --- success --------------------------------------------------------------
def test_a_rollout_shows_its_steps(kube: FakeKube, http: Http, serving: None) -> None:
    answer = http.apply(second()).json()
    assert answer["status"]["observedGeneration"] < answer["metadata"]["generation"]
    assert condition(answer, "Progressing")["reason"] == "NewReplicaSetAvailable"
    eventually(lambda: status(kube).get("replicas") == 2)
    eventually(
        lambda: status(kube).get("updatedReplicas") == 1 and status(kube).get("replicas") == 1
    )
    now = status(kube)
    assert now["availableReplicas"] == now["readyReplicas"] == 1
    assert live(kube)["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "2"
    events = [each["message"] for each in kube.cluster.all("Event", "shop")]
    assert any("Scaled up replica set web-" in text and "from 0 to 1" in text for text in events)


def test_never_fewer_than_wanted(kube: FakeKube, http: Http, shop: str) -> None:
    counts: list[int] = []

    def count(_event: Any) -> None:
        pods = kube.cluster.store.all(named("Pod"), "shop")
        ready = [p for p in pods if condition(p, "Ready").get("status") == "True"]
        counts.append(sum(1 for p in ready if "deletionTimestamp" not in p["metadata"]))

    http.apply(deployment(replicas=4))
    eventually(lambda: status(kube).get("availableReplicas") == 4)
    kube.cluster.store.listeners.append(count)
    body = second()
    body["spec"]["replicas"] = 4
    http.apply(body)
    eventually(lambda: status(kube).get("updatedReplicas") == 4)
    eventually(lambda: len(kube.cluster.all("Pod", "shop")) == 4)
    assert min(counts) == 4


def test_a_rollback_uses_the_old_replica_set_again(
    kube: FakeKube, http: Http, kubectl: Kubectl, serving: None
) -> None:
    kubectl("-n", "shop", "rollout", "status", "deploy/web")
    http.apply(second())
    kubectl("-n", "shop", "rollout", "status", "deploy/web")
    assert "revision" in kubectl("-n", "shop", "rollout", "history", "deploy/web").lower()
    http.apply(deployment())
    kubectl("-n", "shop", "rollout", "status", "deploy/web")
    sets = kube.cluster.all("ReplicaSet", "shop")
    numbers = sorted(
        each["metadata"]["annotations"]["deployment.kubernetes.io/revision"] for each in sets
    )
    assert numbers == ["2", "3"]


def test_old_replica_sets_are_forgotten(kube: FakeKube, http: Http, shop: str) -> None:
    for number in range(5):
        http.apply(
            deployment(revisionHistoryLimit=1, pod={"image": f"registry.example/w:{number}"})
        )
        eventually(lambda: status(kube).get("availableReplicas") == 1)
        wanted = live(kube)["metadata"]["generation"]
        eventually(lambda: status(kube).get("observedGeneration") == wanted)  # noqa: B023
        eventually(lambda: _complete(live(kube)))
    eventually(lambda: len(kube.cluster.all("ReplicaSet", "shop")) == 2)


def _complete(obj: dict[str, Any]) -> bool:
    status = obj["status"]
    return bool(status.get("updatedReplicas") == status.get("replicas") == 1)


def test_min_ready_seconds_delay_success(kube: FakeKube, http: Http, shop: str) -> None:
    body = deployment(minReadySeconds=10, pod={"readinessProbe": None})
    http.apply(body)
    eventually(lambda: status(kube).get("readyReplicas") == 1)
    assert not status(kube).get("availableReplicas")
    eventually(lambda: status(kube).get("availableReplicas") == 1)


def test_recreate_stops_before_it_starts(kube: FakeKube, http: Http, shop: str) -> None:
    body = deployment()
    body["spec"]["strategy"] = {"type": "Recreate"}
    http.apply(body)
    eventually(lambda: container(kube, "web:1").get("ready"))
    new = copy.deepcopy(body)
    new["spec"]["template"]["spec"]["containers"][0]["image"] = "registry.example/web:2"
    http.apply(new)
    eventually(lambda: container(kube).get("ready"))
    assert not container(kube, "web:1")


# --- failure --------------------------------------------------------------
@pytest.mark.parametrize(
    ("kind", "reason", "text"),
    [
        ("pull", "ErrImagePull", "registry.example/web:2: not found"),
        ("pull", "ImagePullBackOff", 'Back-off pulling image "registry.example/web:2"'),
        ("create", "CreateContainerError", 'mount source: "/nix/store/'),
        ("config", "CreateContainerConfigError", "container has runAsNonRoot and image will run"),
        ("invalid-image", "InvalidImageName", "invalid reference format"),
        ("never-present", "ErrImageNeverPull", "is not present with pull policy of Never"),
    ],
)
def test_a_container_that_cannot_be_made(
    kube: FakeKube, http: Http, serving: None, kind: str, reason: str, text: str
) -> None:
    kube.cluster.faults.pods.append(PodFault(kind, image="web:2"))
    http.apply(second())
    assert text in waiting(kube, reason)["message"]
    assert is_kept(kube)
    kube.cluster.faults.clear()
    eventually(lambda: container(kube).get("ready"))


def test_a_missing_secret_heals_when_it_comes(kube: FakeKube, http: Http, serving: None) -> None:
    http.apply(second(envFrom=[{"secretRef": {"name": "env-2"}}]))
    assert waiting(kube, "CreateContainerConfigError")["message"] == 'secret "env-2" not found'
    metadata = {"name": "env-2", "namespace": "shop"}
    http.apply({"apiVersion": "v1", "kind": "Secret", "metadata": metadata})
    eventually(lambda: container(kube).get("ready"))


def test_a_command_that_does_not_exist(kube: FakeKube, http: Http, serving: None) -> None:
    kube.cluster.faults.pods.append(PodFault("start", image="web:2"))
    http.apply(second(command=["/no/such"]))
    last = eventually(lambda: container(kube).get("lastState", {}).get("terminated"))
    assert (last["reason"], last["exitCode"]) == ("StartError", 128)
    assert last["message"].endswith('exec: "/no/such": stat /no/such: no such file or directory')
    assert is_kept(kube)


def test_a_crash_loop_flips_and_counts(kube: FakeKube, http: Http, serving: None) -> None:
    order = PodFault("crash", image="web:2", exit_code=3, output="boom: no DATABASE_URL")
    kube.cluster.faults.pods.append(order)
    http.apply(second(terminationMessagePolicy="FallbackToLogsOnError"))
    eventually(lambda: container(kube).get("restartCount", 0) >= 1)
    text = waiting(kube, "CrashLoopBackOff")["message"]
    assert text.startswith("back-off 10s restarting failed container=web pod=web-")
    last = container(kube)["lastState"]["terminated"]
    assert (last["exitCode"], last["reason"]) == (3, "Error")
    assert last["message"] == "boom: no DATABASE_URL\n"
    assert is_kept(kube)
    pod = next(p for p in kube.cluster.all("Pod", "shop") if "web:2" in str(p["spec"]))
    path = f"/api/v1/namespaces/shop/pods/{pod['metadata']['name']}/log"
    assert http("GET", path, params={"previous": "true"}).text == "boom: no DATABASE_URL\n"
    kube.cluster.faults.clear()
    eventually(lambda: container(kube).get("ready"))


def test_a_process_that_ends_at_once_is_never_ready() -> None:
    with FakeKube(speed=50, run="all") as kube:
        http = Http(kube.url)
        http.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})
        seen: list[bool] = []
        kube.cluster.store.listeners.append(lambda event: seen.append(_is_ready(event.obj)))
        http.apply(deployment(pod={"command": ["sh", "-c", "echo boom; exit 3"]}))
        eventually(lambda: container(kube, "web:1").get("restartCount", 0) >= 2)
        assert True not in seen
        http.apply(deployment(pod={"command": ["sleep", "1000"]}))
        eventually(lambda: status(kube).get("readyReplicas") == 1)


def _is_ready(obj: dict[str, Any]) -> bool:
    return obj["kind"] == "Pod" and condition(obj, "Ready").get("status") == "True"


def test_out_of_memory(kube: FakeKube, http: Http, serving: None) -> None:
    kube.cluster.faults.pods.append(PodFault("oom", image="web:2"))
    http.apply(second())
    last = eventually(lambda: container(kube).get("lastState", {}).get("terminated"))
    assert (last["reason"], last["exitCode"]) == ("OOMKilled", 137)


def test_no_node_has_room(kube: FakeKube, http: Http, serving: None) -> None:
    http.apply(second(resources={"requests": {"cpu": "2000"}}))
    row = eventually(lambda: _scheduled(kube))
    assert row["reason"] == "Unschedulable"
    assert row["message"].startswith("0/1 nodes are available: 1 Insufficient cpu.")
    kube.cluster.call(lambda: kube.cluster.add_node("node-2", cpu="4000"))
    eventually(lambda: container(kube).get("ready"))


def _scheduled(kube: FakeKube) -> Any:
    rows = [condition(pod, "PodScheduled") for pod in kube.cluster.all("Pod", "shop")]
    return next((row for row in rows if row.get("status") == "False"), None)


def test_a_failing_probe_is_judged_by_the_deadline(
    kube: FakeKube, http: Http, serving: None
) -> None:
    kube.cluster.faults.pods.append(PodFault("unready", image="web:2"))
    http.apply(second())
    eventually(lambda: condition(live(kube), "Progressing").get("status") == "False")
    row = condition(live(kube), "Progressing")
    assert row["reason"] == "ProgressDeadlineExceeded"
    assert row["message"].endswith('" has timed out progressing.')
    events = [e["message"] for e in kube.cluster.all("Event", "shop") if e["reason"] == "Unhealthy"]
    assert "Readiness probe failed: HTTP probe failed with statuscode: 500" in events
    assert is_kept(kube)


def test_a_failing_liveness_probe_restarts(kube: FakeKube, http: Http, shop: str) -> None:
    kube.cluster.faults.pods.append(PodFault("liveness", image="web:2"))
    probe = {"httpGet": {"path": "/", "port": "http"}, "periodSeconds": 1}
    http.apply(second(livenessProbe=probe))
    eventually(lambda: container(kube).get("restartCount", 0) >= 1)
    events = [each["message"] for each in kube.cluster.all("Event", "shop")]
    assert "Container web failed liveness probe, will be restarted" in events


@pytest.mark.parametrize("cause", ["security", "quota", "webhook"])
def test_refused_pods_are_a_replica_failure(
    kube: FakeKube, http: Http, serving: None, cause: str
) -> None:
    text = "not today"
    if cause == "security":
        text = 'violates PodSecurity "restricted:latest": privileged'
    elif cause == "quota":
        text = (
            "exceeded quota: q, requested: requests.cpu=100m, used: requests.cpu=50m,"
            " limited: requests.cpu=120m"
        )
        body = {"apiVersion": "v1", "kind": "ResourceQuota"}
        metadata = {"name": "q", "namespace": "shop"}
        http.apply({**body, "metadata": metadata, "spec": {"hard": {"requests.cpu": "120m"}}})
    else:
        kube.cluster.faults.denials.append(Denial("Pod"))
    context: dict[str, Any] = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    if cause == "security":
        context["privileged"] = True
    answer = http.apply(second(securityContext=context, resources={"requests": {"cpu": "100m"}}))
    assert ("would violate" in answer.headers.get("Warning", "")) == (cause == "security")
    row = eventually(lambda: condition(live(kube), "ReplicaFailure"))
    assert (row["status"], row["reason"]) == ("True", "FailedCreate")
    assert text in row["message"]
    assert is_kept(kube)
    events = [e for e in kube.cluster.all("Event", "shop") if e["reason"] == "FailedCreate"]
    assert events[0]["involvedObject"]["kind"] == "ReplicaSet"
    kube.cluster.faults.clear()
    labels = {**RESTRICTED, "pod-security.kubernetes.io/enforce": "privileged"}
    http.apply(
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop", "labels": labels}}
    )
    http("DELETE", "/api/v1/namespaces/shop/resourcequotas/q")
    eventually(lambda: container(kube).get("ready"))  # tried again, it heals
    eventually(lambda: not condition(live(kube), "ReplicaFailure"))


# --- jobs -----------------------------------------------------------------
def job(name: str = "release", **spec: Any) -> dict[str, Any]:
    command = spec.pop("command", ["sh", "-c", "echo migrating"])
    once = {"restartPolicy": "Never", **pod_spec(name="main", command=command)}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "namespace": "shop"},
        "spec": {"backoffLimit": 0, "template": {"spec": once}, **spec},
    }


def ended(kube: FakeKube, name: str = "release") -> Any:
    obj = kube.cluster.get("Job", "shop", name) or {}
    for kind in ("Complete", "Failed"):
        row = condition(obj, kind)
        if row.get("status") == "True":
            return row
    return None


def test_a_job_that_succeeds(kube: FakeKube, http: Http, shop: str) -> None:
    http.apply(job(ttlSecondsAfterFinished=20))
    row = eventually(lambda: ended(kube))
    assert (row["type"], row["reason"]) == ("Complete", "CompletionsReached")
    done = kube.cluster.get("Job", "shop", "release") or {}
    assert done["status"]["succeeded"] == 1
    assert condition(done, "SuccessCriteriaMet")["status"] == "True"
    eventually(lambda: not kube.cluster.get("Job", "shop", "release"))
    eventually(lambda: not kube.cluster.all("Pod", "shop"))


def test_a_job_that_fails(kube: FakeKube, http: Http, shop: str) -> None:
    http.apply(job(command=["sh", "-c", "exit 7"]))
    row = eventually(lambda: ended(kube))
    assert (row["type"], row["reason"]) == ("Failed", "BackoffLimitExceeded")
    (pod,) = kube.cluster.all("Pod", "shop")
    state = pod["status"]["containerStatuses"][0]["state"]
    assert (pod["status"]["phase"], state["terminated"]["exitCode"]) == ("Failed", 7)


def test_a_job_that_tries_again(kube: FakeKube, http: Http, shop: str) -> None:
    http.apply(job(command=["sh", "-c", "exit 7"], backoffLimit=1))
    assert eventually(lambda: ended(kube))["reason"] == "BackoffLimitExceeded"
    assert len(kube.cluster.all("Pod", "shop")) == 2


def test_a_job_that_takes_too_long(kube: FakeKube, http: Http, shop: str) -> None:
    http.apply(job(command=["sleep", "100"], activeDeadlineSeconds=4))
    eventually(lambda: condition(kube.cluster.get("Job", "shop", "release") or {}, "FailureTarget"))
    row = eventually(lambda: ended(kube))
    assert (row["type"], row["reason"]) == ("Failed", "DeadlineExceeded")
    assert not kube.cluster.all("Pod", "shop")


def test_a_job_that_is_suspended(kube: FakeKube, http: Http, shop: str) -> None:
    http.apply(job(command=["sleep", "100"]))
    eventually(lambda: kube.cluster.all("Pod", "shop"))
    http.apply(job(command=["sleep", "100"], suspend=True))
    eventually(lambda: not kube.cluster.all("Pod", "shop"))
    obj = kube.cluster.get("Job", "shop", "release") or {}
    assert condition(obj, "Suspended")["status"] == "True"


def test_a_job_whose_policy_names_the_exit_code(kube: FakeKube, http: Http, shop: str) -> None:
    on = {"operator": "In", "values": [42]}
    policy = {"rules": [{"action": "FailJob", "onExitCodes": on}]}
    http.apply(job(command=["sh", "-c", "exit 42"], backoffLimit=3, podFailurePolicy=policy))
    row = eventually(lambda: ended(kube))
    assert row["reason"] == "PodFailurePolicy"
    (pod,) = kube.cluster.all("Pod", shop)
    assert row["message"] == (
        f"Container main for pod shop/{pod['metadata']['name']} failed with exit code 42 matching"
        " FailJob rule at index 0"
    )


def test_a_cron_job_by_hand(kube: FakeKube, http: Http, shop: str) -> None:
    spec = {"schedule": "0 3 * * *", "jobTemplate": {"spec": job()["spec"]}}
    metadata = {"name": "nightly", "namespace": shop}
    http.apply({"apiVersion": "batch/v1", "kind": "CronJob", "metadata": metadata, "spec": spec})
    started = kube.cluster.run_cron_job(shop, "nightly")
    name = started["metadata"]["name"]
    assert started["metadata"]["ownerReferences"][0]["name"] == "nightly"
    assert eventually(lambda: ended(kube, name))["type"] == "Complete"


# --- scaling, budgets, endpoints -------------------------------------------
def test_an_autoscaler_owns_replicas_by_scale(kube: FakeKube, http: Http, serving: None) -> None:
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    http.apply(
        {
            "apiVersion": "autoscaling/v2",
            "kind": "HorizontalPodAutoscaler",
            "metadata": {"name": "web", "namespace": "shop"},
            "spec": {"scaleTargetRef": target, "minReplicas": 2, "maxReplicas": 4},
        }
    )
    eventually(lambda: live(kube)["spec"]["replicas"] == 2)
    assert http.apply(deployment()).json()["spec"]["replicas"] == 2
    refused = http.apply(deployment(replicas=3)).json()
    assert refused["details"]["causes"][0]["message"] == (
        'conflict with "kube-controller-manager" with subresource "scale" using apps/v1'
    )
    kube.cluster.autoscale("shop", "web", 4)
    eventually(lambda: status(kube).get("availableReplicas") == 4)


def test_evictions_one_by_one(kube: FakeKube, http: Http, shop: str) -> None:
    http.apply(deployment(replicas=2))
    budget = {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": "web", "namespace": shop},
        "spec": {"minAvailable": 2, "selector": {"matchLabels": {"app": "web"}}},
    }
    http.apply(budget)
    eventually(lambda: status(kube).get("availableReplicas") == 2)
    name = kube.cluster.all("Pod", shop)[0]["metadata"]["name"]
    path = f"/api/v1/namespaces/{shop}/pods/{name}/eviction"
    metadata = {"name": name, "namespace": shop}
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": metadata}
    refused = http("POST", path, body)
    assert refused.status_code == 429
    assert "Retry-After" not in refused.headers
    assert refused.json()["details"]["causes"] == [
        {
            "reason": "DisruptionBudget",
            "message": "The disruption budget web needs 2 healthy pods and has 2 currently",
        }
    ]
    budget["spec"]["minAvailable"] = 1  # type: ignore[index]
    http.apply(budget)
    assert http("POST", path, body, params={"dryRun": "All"}).status_code == 201
    assert http("POST", path, body).status_code == 201
    http.apply({**budget, "metadata": {"name": "two", "namespace": shop}})
    names = [pod["metadata"]["name"] for pod in kube.cluster.all("Pod", shop)]
    other = next(each for each in names if each != name)
    assert http("POST", path.replace(name, other), body).status_code == 500


def test_endpoints_are_the_ready_pods(kube: FakeKube, http: Http, serving: None) -> None:
    spec = {
        "selector": {"app": "web"},
        "ports": [{"name": "http", "port": 80, "targetPort": "http"}],
    }
    metadata = {"name": "web", "namespace": "shop"}
    http.apply({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec})

    def ready() -> int:
        slices = kube.cluster.all("EndpointSlice", "shop")
        return sum(e["conditions"]["ready"] for s in slices for e in s["endpoints"])

    eventually(lambda: ready() == 1)
    assert kube.cluster.all("EndpointSlice", "shop")[0]["ports"][0]["port"] == 8080
    kube.cluster.faults.pods.append(PodFault("unready", image="web:1"))
    http("PATCH", f"{WEB}/scale", {"spec": {"replicas": 3}},
         headers={"Content-Type": "application/merge-patch+json"})  # fmt: skip
    eventually(lambda: status(kube).get("replicas") == 3)
    assert ready() == 1


def test_faults_of_the_api(kube: FakeKube, http: Http, kubectl: Kubectl, shop: str) -> None:
    faults = kube.cluster.faults
    faults.api.append(ApiFault(verb="patch", resource="deployments", status=429, times=1))
    answer = http.apply(deployment())
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "1")
    faults.api.append(ApiFault(verb="patch", status=500, message="etcdserver: request timed out"))
    assert http.apply(deployment()).json()["message"] == "etcdserver: request timed out"
    faults.api.append(ApiFault(verb="patch", drop="after"))
    with pytest.raises(ConnectionError):
        try:
            http.apply(deployment())
        except OSError as error:
            raise ConnectionError from error
    assert http("GET", path_of(deployment())).status_code == 200  # it was done all the same
    faults.down(2)
    kubectl("-n", shop, "get", "deploy", fails=True)
    eventually(lambda: _answers(http))
    assert "web" in kubectl("-n", shop, "get", "deploy")


def _answers(http: Http) -> bool:
    try:
        return http("GET", "/version").ok
    except OSError:
        return False
