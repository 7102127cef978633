"""Server-side apply: what moves a revision, who owns what, who is refused."""

from __future__ import annotations

import copy
import time
from functools import partial
from typing import Any

import pytest

from . import manifests
from .conftest import APPLY, Http, Kubectl, deployment, eventually, path_of, pod_spec
from .server import FakeKube


def object_set() -> list[dict[str, Any]]:
    """The set of objects that a real server took and then left alone."""
    service = {"name": "web", "port": {"name": "http"}}
    path = {"path": "/", "pathType": "Prefix", "backend": {"service": service}}
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    cpu = {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}}
    traefik = {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}}
    once = {"restartPolicy": "Never", **pod_spec(name="main", command=["true"])}
    job = {"backoffLimit": 0, "activeDeadlineSeconds": 600, "template": {"spec": once}}
    return [
        _object("v1 ServiceAccount shop", automountServiceAccountToken=False),
        _object("v1 Secret env-1", type="Opaque", immutable=True, data={"A": "Yg=="}),
        _object(
            "v1 Service web",
            spec={
                "selector": {"app": "web"},
                "ports": [{"name": "http", "port": 80, "targetPort": "http"}],
            },
        ),
        _object(
            "networking.k8s.io/v1 Ingress web",
            spec={
                "ingressClassName": "lab",
                "tls": [{"hosts": ["h.example"], "secretName": "tls"}],
                "rules": [{"host": "h.example", "http": {"paths": [path]}}],
            },
        ),
        _object(
            "networking.k8s.io/v1 NetworkPolicy web",
            spec={
                "podSelector": {},
                "policyTypes": ["Ingress"],
                "ingress": [{"from": [{"podSelector": {}}, {"namespaceSelector": traefik}]}],
            },
        ),
        _object(
            "policy/v1 PodDisruptionBudget web",
            spec={
                "maxUnavailable": 1,
                "unhealthyPodEvictionPolicy": "AlwaysAllow",
                "selector": {"matchLabels": {"app": "web"}},
            },
        ),
        _object(
            "autoscaling/v2 HorizontalPodAutoscaler web",
            spec={
                "scaleTargetRef": target,
                "minReplicas": 2,
                "maxReplicas": 4,
                "metrics": [{"type": "Resource", "resource": cpu}],
            },
        ),
        _object("batch/v1 Job release", spec={**job, "ttlSecondsAfterFinished": 3600}),
        _object(
            "batch/v1 CronJob nightly",
            spec={
                "schedule": "0 3 * * *",
                "timeZone": "Europe/Berlin",
                "concurrencyPolicy": "Forbid",
                "startingDeadlineSeconds": 300,
                "jobTemplate": {"spec": job},
            },
        ),
        _object("v1 Pod once", spec={**once, "activeDeadlineSeconds": 3600}),
        deployment(),
    ]


def _object(what: str, **rest: Any) -> dict[str, Any]:
    version, kind, name = what.split()
    metadata = {"name": name, "namespace": "shop", "labels": {"paas.example/app": "shop"}}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **rest}


def test_the_same_body_twice_leaves_every_kind_alone(http: Http, shop: str) -> None:
    for body in object_set():
        first = http.apply(body)
        assert first.status_code == 201, first.text
        again = http.apply(body)
        assert again.status_code == 200, again.text
        assert again.json()["metadata"].get("generation") == (
            first.json()["metadata"].get("generation")
        )
        eventually(partial(_is_left_alone, http, body))  # once its status rests


def _is_left_alone(http: Http, body: dict[str, Any]) -> bool:
    before = http.get(path_of(body))["metadata"]["resourceVersion"]
    return bool(http.apply(body).json()["metadata"]["resourceVersion"] == before)


# "same": nothing; "rv": only the revision; "gen": a new generation (as a real 1.36 has it)
CHANGES: list[tuple[str, str, Any]] = [
    ("same", "resources.requests.cpu", "0.05"),
    ("same", "resources.requests.cpu", 0.05),
    ("same", "resources.limits.memory", "65536Ki"),
    ("rv", "resources.limits.memory", 67108864),
    ("same", "volumeMounts", []),
    ("rv", "command", []),
    ("gen", "command", ["true"]),
    ("gen", "env", [{"name": "B", "value": "2"}, {"name": "A", "value": "1"}]),
    ("same", "env", [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]),
    ("rv", "ports", [{"name": "http", "containerPort": 8080, "protocol": "TCP"}]),
]


@pytest.mark.parametrize(("effect", "path", "value"), CHANGES)
def test_what_moves_a_revision(http: Http, shop: str, effect: str, path: str, value: Any) -> None:
    body = deployment()
    if path == "env":
        env = [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]
        body["spec"]["template"]["spec"]["containers"][0]["env"] = env
    body["spec"]["replicas"] = 0  # no pods: the status comes to rest
    http.apply(body)
    before = _settled(http, body)
    changed = copy.deepcopy(body)
    target = changed["spec"]["template"]["spec"]["containers"][0]
    *parents, last = path.split(".")
    for part in parents:
        target = target[part]
    target[last] = value
    answer = http.apply(changed)
    assert answer.status_code == 200, answer.text
    now = answer.json()["metadata"]
    moved = now["resourceVersion"] != before["resourceVersion"]
    assert (moved, now["generation"] - before["generation"]) == {
        "same": (False, 0), "rv": (True, 0), "gen": (True, 1),
    }[effect]  # fmt: skip


def _settled(http: Http, body: dict[str, Any]) -> Any:
    previous = None
    while True:
        now = http.get(path_of(body))["metadata"]
        if previous == now["resourceVersion"]:
            return now
        previous = now["resourceVersion"]
        time.sleep(0.15)


@pytest.mark.parametrize(
    ("path", "value", "text"),
    [
        (["spec", "tpyo"], 1, ".spec.tpyo: field not declared in schema"),
        (
            ["spec", "template", "spec", "containers", 0, "env"],
            [{"name": "PORT", "value": "1"}, {"name": "PORT", "value": "2"}],
            '.spec.template.spec.containers[name="web"].env: duplicate entries for key'
            ' [name="PORT"]',
        ),
        (["metadata", "labels"], {"a": 5}, ".metadata.labels.a: expected string, got"),
    ],
)
def test_schema_errors_are_500_without_a_reason(
    kube: FakeKube, http: Http, shop: str, path: list[Any], value: Any, text: str
) -> None:
    body = deployment()
    target: Any = body
    for part in path[:-1]:
        target = target[part]
    target[path[-1]] = value
    answer = http.apply(body)
    assert answer.status_code == 500
    assert "reason" not in answer.json()
    start = "failed to create typed patch object (shop/web; apps/v1, Kind=Deployment): "
    assert answer.json()["message"].startswith(start + text)
    kube.cluster.invalid.clear()  # on purpose


def test_a_conflict_names_the_other_manager(http: Http, kubectl: Kubectl, shop: str) -> None:
    http.apply(deployment())
    kubectl("-n", shop, "set", "env", "deploy/web", "PORT=9090")
    refused = http.apply(deployment())
    field = '.spec.template.spec.containers[name="web"].env[name="PORT"].value'
    owner = 'conflict with "kubectl-set" using apps/v1'
    assert refused.status_code == 409
    assert refused.json() == {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": f"Apply failed with 1 conflict: {owner}: {field}",
        "reason": "Conflict",
        "details": {
            "causes": [{"reason": "FieldManagerConflict", "message": owner, "field": field}]
        },
        "code": 409,
    }
    assert http.apply(deployment(), force="true").status_code == 200
    assert http.apply(deployment()).status_code == 200


def test_kubectl_is_told_of_conflicts_too(http: Http, kubectl: Kubectl, shop: str) -> None:
    http.apply(deployment())
    changed = deployment(pod={"env": [{"name": "PORT", "value": "1"}]})
    shown = kubectl("apply", "--server-side", "-f", "-", given=changed, fails=True)
    assert 'conflict with "paas": .spec.template' in shown
    assert "--force-conflicts" in shown
    kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", given=changed)
    live = kubectl.json("-n", shop, "get", "deploy", "web")
    env = live["spec"]["template"]["spec"]["containers"][0]["env"]
    assert env == [{"name": "PORT", "value": "1"}]


def test_what_another_added_survives_also_a_forced_apply(
    http: Http, kubectl: Kubectl, shop: str
) -> None:
    http.apply(deployment())
    kubectl("-n", shop, "set", "env", "deploy/web", "EXTRA=1")
    live = http.apply(deployment(), force="true").json()
    names = [each["name"] for each in live["spec"]["template"]["spec"]["containers"][0]["env"]]
    assert names == ["PORT", "EXTRA"]


def test_omission_removes_what_one_owns_alone(http: Http, shop: str) -> None:
    body = deployment(revisionHistoryLimit=3)
    spec = body["spec"]["template"]["spec"]
    spec["nodeSelector"] = {"disk": "ssd"}
    spec["containers"].append({**pod_spec(name="side")["containers"][0]})
    http.apply(body)
    live = http.apply(deployment(pod={"env": []})).json()["spec"]
    assert live["revisionHistoryLimit"] == 10
    assert "nodeSelector" not in live["template"]["spec"]
    (left,) = live["template"]["spec"]["containers"]
    assert "env" not in left


def test_shared_fields_stay_until_the_last_owner_lets_go(http: Http, shop: str) -> None:
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": shop}}
    data = {"data": {"a": "MQ=="}}
    http.apply({**secret, **data}, "one")
    assert http.apply({**secret, **data}, "two").status_code == 200
    assert http.apply(secret, "one").json()["data"] == {"a": "MQ=="}
    assert "data" not in http.apply(secret, "two").json()


def test_replicas_fall_back_to_1_unless_handed_over(http: Http, shop: str) -> None:
    http.apply(deployment(replicas=5))
    assert http.apply(deployment()).json()["spec"]["replicas"] == 1
    http.apply(deployment(replicas=4))
    handover = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": shop},
        "spec": {"replicas": 4},
    }
    assert http.apply(handover, "paas-scale").status_code == 200
    assert http.apply(deployment()).json()["spec"]["replicas"] == 4


def test_scale_has_an_owner_of_its_own(http: Http, kubectl: Kubectl, shop: str) -> None:
    http.apply(deployment())
    path = "/apis/apps/v1/namespaces/shop/deployments/web/scale"
    scale = {
        "apiVersion": "autoscaling/v1",
        "kind": "Scale",
        "metadata": {"name": "web", "namespace": shop},
        "spec": {"replicas": 2},
    }
    params, headers = {"fieldManager": "paas-scale"}, {"Content-Type": APPLY}
    unowned = http("PATCH", path, scale, params=params, headers=headers)
    assert 'conflict with "before-first-apply"' in unowned.json()["message"]
    forced = {**params, "force": "true"}
    answer = http("PATCH", path, scale, params=forced, headers=headers)
    assert answer.json()["spec"] == {"replicas": 2}
    assert http.apply(deployment()).json()["spec"]["replicas"] == 2
    kubectl("-n", shop, "scale", "deploy/web", "--replicas=3")
    refused = http("PATCH", path, scale, params=params, headers=headers)
    assert refused.status_code == 409
    cause = refused.json()["details"]["causes"][0]
    assert cause["message"] == ('conflict with "kubectl" with subresource "scale" using apps/v1')
    assert cause["field"] == ".spec.replicas"
    refused = http.apply(deployment(replicas=9))
    assert refused.json()["message"].endswith("using apps/v1: .spec.replicas")


def test_dry_run_answers_what_would_be_and_writes_nothing(http: Http, shop: str) -> None:
    new = http.apply(deployment(), dryRun="All")
    assert new.status_code == 201
    assert new.json()["metadata"]["uid"]
    assert "resourceVersion" not in new.json()["metadata"]
    assert http("GET", path_of(deployment())).status_code == 404
    http.apply(deployment())
    assert http.apply(deployment(paused=True), dryRun="All").json()["spec"]["paused"]
    assert "paused" not in http.get(path_of(deployment()))["spec"]
    lost = deployment(namespace="nowhere")
    answer = http.apply(lost, dryRun="All")
    assert answer.status_code == 404
    assert answer.json()["message"] == 'namespaces "nowhere" not found'


def test_refusals_of_an_apply(http: Http, shop: str) -> None:
    body = deployment()
    http.apply(body)
    held = copy.deepcopy(body)
    held["metadata"]["managedFields"] = []
    answer = http.apply(held)
    assert (answer.status_code, answer.json()["message"]) == (
        400, "metadata.managedFields must be nil",
    )  # fmt: skip
    stale = copy.deepcopy(body)
    stale["metadata"]["resourceVersion"] = "1"
    answer = http.apply(stale)
    assert answer.status_code == 409
    assert "the object has been modified" in answer.json()["message"]
    other = copy.deepcopy(body)
    other["metadata"]["uid"] = "00000000-0000-0000-0000-000000000000"
    assert http.apply(other).status_code == 422
    nobody = http("PATCH", path_of(body), body, headers={"Content-Type": APPLY})
    assert nobody.status_code == 422
    assert http("PATCH", path_of(body), body, headers={"Content-Type": "text/x"}).status_code == 415


def test_string_data_is_the_trap_it_is(http: Http, shop: str) -> None:
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": shop}}
    http.apply({**secret, "stringData": {"a": "1", "b": "2"}})
    live = http.apply({**secret, "stringData": {"a": "1"}}).json()
    assert sorted(live["data"]) == ["a", "b"]


def test_what_the_fake_itself_writes_is_valid(kube: FakeKube, http: Http, shop: str) -> None:
    for body in object_set():
        http.apply(body)
    eventually(lambda: _deployed(kube))
    eventually(lambda: (kube.cluster.get("Job", shop, "release") or {})["status"].get("succeeded"))
    http("DELETE", "/api/v1/namespaces/shop")
    eventually(lambda: (kube.cluster.get("Namespace", "", shop) or {})["status"].get("conditions"))

    def faults() -> list[str]:
        store = kube.cluster.store
        return [
            text
            for kind in store.kinds()
            for obj in store.all(kind)
            for text in manifests.faults_of(kind, obj, partial=False)
        ]

    assert kube.cluster.call(faults) == []


def _deployed(kube: FakeKube) -> bool:
    status = (kube.cluster.get("Deployment", "shop", "web") or {}).get("status", {})
    return bool(status.get("availableReplicas"))
