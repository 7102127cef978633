"""Create, patch and delete: conflicts, immutability, validation, owners, namespaces."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from .conftest import Http, Kubectl, deployment, eventually, path_of, pod_spec
from .server import FakeKube

SECRETS = "/api/v1/namespaces/shop/secrets"
MERGE = {"Content-Type": "application/merge-patch+json"}
STRATEGIC = {"Content-Type": "application/strategic-merge-patch+json"}
JSON_PATCH = {"Content-Type": "application/json-patch+json"}


def secret(name: str = "s", **rest: Any) -> dict[str, Any]:
    metadata = {"name": name, "namespace": "shop"}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, **rest}


# --- creation and revisions -----------------------------------------------
def test_a_second_post_and_a_stale_put_are_two_different_409s(http: Http, shop: str) -> None:
    first = http("POST", SECRETS, secret(data={"a": "MQ=="}))
    assert first.status_code == 201
    again = http("POST", SECRETS, secret())
    assert (again.status_code, again.json()["reason"]) == (409, "AlreadyExists")
    assert again.json()["message"] == 'secrets "s" already exists'
    body = first.json() | {"data": {"a": "Mg=="}}
    assert http("PUT", f"{SECRETS}/s", body).status_code == 200
    stale = http("PUT", f"{SECRETS}/s", body)
    assert (stale.status_code, stale.json()["reason"]) == (409, "Conflict")
    assert stale.json()["message"] == (
        'Operation cannot be fulfilled on secrets "s": the object has been modified; please apply'
        " your changes to the latest version and try again"
    )


def test_a_put_of_the_same_changes_nothing(http: Http, shop: str) -> None:
    first = http("POST", SECRETS, secret(data={"a": "MQ=="})).json()
    again = http("PUT", f"{SECRETS}/s", first).json()
    assert again["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]


def test_names_are_generated(http: Http, shop: str) -> None:
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": "x-"}}
    path = "/api/v1/namespaces/shop/configmaps"
    names = {http("POST", path, body).json()["metadata"]["name"] for _ in range(5)}
    assert len(names) == 5
    assert all(name.startswith("x-") and len(name) == 7 for name in names)


def test_unknown_fields_are_warned_of_or_refused(kube: FakeKube, http: Http, shop: str) -> None:
    body = secret(tpyo=1)
    warned = http("POST", SECRETS, body)
    assert warned.status_code == 201
    assert warned.headers["Warning"] == '299 - "unknown field \\"tpyo\\""'
    strict = http("POST", SECRETS, secret("t", tpyo=1), params={"fieldValidation": "Strict"})
    assert strict.status_code == 400
    assert 'strict decoding error: unknown field "tpyo"' in strict.json()["message"]
    assert len(kube.cluster.invalid) == 6  # two bodies, three versions
    kube.cluster.invalid.clear()


# --- patches --------------------------------------------------------------
def test_a_strategic_patch_merges_lists_by_key(http: Http, shop: str) -> None:
    http.apply(deployment())
    container: dict[str, Any] = {"name": "web", "env": [{"name": "B", "value": "2"}]}
    patch = {"spec": {"template": {"spec": {"containers": [container]}}}}
    live = http("PATCH", path_of(deployment()), patch, headers=STRATEGIC).json()
    (patched,) = live["spec"]["template"]["spec"]["containers"]
    assert {each["name"]: each["value"] for each in patched["env"]} == {"B": "2", "PORT": "8080"}
    container["env"] = [{"$patch": "delete", "name": "PORT"}]
    live = http("PATCH", path_of(deployment()), patch, headers=STRATEGIC).json()
    (patched,) = live["spec"]["template"]["spec"]["containers"]
    assert patched["env"] == [{"name": "B", "value": "2"}]


def test_a_merge_patch_replaces_lists_and_null_removes(http: Http, shop: str) -> None:
    http.apply(deployment())
    patch = {"metadata": {"labels": None}, "spec": {"paused": True}}
    live = http("PATCH", path_of(deployment()), patch, headers=MERGE).json()
    assert "labels" not in live["metadata"]
    assert live["spec"]["paused"] is True


def test_a_json_patch_tests_before_it_changes(http: Http, shop: str) -> None:
    http("POST", SECRETS, secret(data={"a": "MQ=="}))
    wrong = [{"op": "test", "path": "/data/a", "value": "x"}, {"op": "remove", "path": "/data/a"}]
    assert http("PATCH", f"{SECRETS}/s", wrong, headers=JSON_PATCH).status_code == 422
    right = [{"op": "add", "path": "/data/b~1c", "value": "MQ=="}]
    assert http("PATCH", f"{SECRETS}/s", right, headers=JSON_PATCH).status_code == 422  # bad key
    right[0]["path"] = "/data/b"
    live = http("PATCH", f"{SECRETS}/s", right, headers=JSON_PATCH).json()
    assert live["data"] == {"a": "MQ==", "b": "MQ=="}


def test_custom_resources_take_no_strategic_patch(http: Http, shop: str) -> None:
    body = {
        "apiVersion": "cert-manager.io/v1",
        "kind": "Certificate",
        "metadata": {"name": "c", "namespace": shop},
        "spec": {"secretName": "c", "dnsNames": ["a.example"], "issuerRef": {"name": "le"}},
    }
    assert http.apply(body).status_code == 201
    assert http("PATCH", path_of(body), {}, headers=STRATEGIC).status_code == 415
    status = {"status": {"conditions": [{"type": "Ready", "status": "True"}]}}
    done = http("PATCH", f"{path_of(body)}/status", status, headers=MERGE)
    assert done.json()["status"] == status["status"]
    again = http.apply(body).json()
    assert again["metadata"]["resourceVersion"] == done.json()["metadata"]["resourceVersion"]


# --- validation -----------------------------------------------------------
@pytest.mark.parametrize(
    ("body", "field", "text"),
    [
        (secret("Bad_Name"), "metadata.name", "a lowercase RFC 1123 subdomain must consist of"),
        (
            {**secret(), "metadata": {"name": "s", "namespace": "shop", "labels": {"a": "-"}}},
            "metadata.labels",
            "a valid label must be an empty string or consist of",
        ),
        (
            secret(data={"a": base64.b64encode(b"x" * 1048577).decode()}),
            "data",
            "Too long: may not be more than 1048576 bytes",
        ),
    ],
)
def test_invalid_objects(
    http: Http, shop: str, body: dict[str, Any], field: str, text: str
) -> None:
    answer = http("POST", SECRETS, body)
    assert (answer.status_code, answer.json()["reason"]) == (422, "Invalid")
    (cause,) = answer.json()["details"]["causes"]
    assert cause["field"] == field
    assert text in cause["message"]


def test_a_cron_jobs_name_is_shorter(http: Http, shop: str) -> None:
    once = {"restartPolicy": "Never", **pod_spec()}
    spec = {"schedule": "0 3 * * *", "jobTemplate": {"spec": {"template": {"spec": once}}}}
    body = {"apiVersion": "batch/v1", "kind": "CronJob", "spec": spec}
    for length, status in ((52, 201), (53, 422)):
        named = {**body, "metadata": {"name": "x" * length, "namespace": shop}}
        assert http.apply(named).status_code == status


def test_a_sleep_must_be_shorter_than_the_grace_period(http: Http, shop: str) -> None:
    body = deployment(pod={"lifecycle": {"preStop": {"sleep": {"seconds": 30}}}})
    answer = http.apply(body)
    assert answer.status_code == 422
    assert answer.json()["details"]["causes"][0]["message"].endswith(
        "must be non-negative and less than terminationGracePeriodSeconds (30)"
    )


def test_more_that_is_invalid(kube: FakeKube, http: Http, shop: str) -> None:
    here = {"name": "x", "namespace": shop}
    once = {"restartPolicy": "Never", **pod_spec()}
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    cron = {"schedule": "hourly", "jobTemplate": {"spec": {"template": {"spec": once}}}}
    for version, kind, spec, field in (
        ("networking.k8s.io/v1", "Ingress", {"rules": [{"host": "A_b"}]}, "spec.rules[0].host"),
        ("v1", "Service", {"ports": [{"port": 1}, {"port": 2}]}, "spec.ports[0].name"),
        (
            "autoscaling/v2",
            "HorizontalPodAutoscaler",
            {"scaleTargetRef": target, "minReplicas": 3, "maxReplicas": 2},
            "spec.maxReplicas",
        ),
        ("batch/v1", "CronJob", cron, "spec.schedule"),
    ):
        answer = http.apply({"apiVersion": version, "kind": kind, "metadata": here, "spec": spec})
        assert answer.status_code == 422
        assert answer.json()["details"]["causes"][0]["field"] == field
    answer = http.apply(deployment(pod={"resources": {"limits": {"memory": "lots"}}}))
    assert answer.status_code == 400
    assert "quantities must match the regular expression" in answer.json()["message"]


def test_what_never_changes(http: Http, shop: str) -> None:
    http.apply(deployment())
    moved = deployment()
    moved["spec"]["selector"] = {"matchLabels": {"app": "other"}}
    moved["spec"]["template"]["metadata"]["labels"] = {"app": "other"}
    answer = http.apply(moved)
    assert answer.status_code == 422
    assert answer.json()["message"].endswith("field is immutable")

    kept = secret(immutable=True, data={"a": "MQ=="})
    http.apply(kept)
    for change in (secret(immutable=True, data={"a": "Mg=="}), secret(data={"a": "MQ=="})):
        assert http.apply(change).status_code == 422
    labelled = {**kept, "metadata": {**kept["metadata"], "labels": {"a": "b"}}}
    assert http.apply(labelled).status_code == 200

    once = {"restartPolicy": "Never", **pod_spec(command=["sleep", "9"])}
    job: dict[str, Any] = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "j", "namespace": shop},
        "spec": {"backoffLimit": 0, "template": {"spec": once}},
    }
    http.apply(job)
    job["spec"]["template"]["spec"]["containers"][0]["command"] = ["true"]
    assert http.apply(job).status_code == 422


# --- deletion -------------------------------------------------------------
def test_preconditions_and_absence(http: Http, shop: str) -> None:
    http("POST", SECRETS, secret())
    wrong = {"preconditions": {"uid": "another"}}
    answer = http("DELETE", f"{SECRETS}/s", wrong)
    assert (answer.status_code, answer.json()["reason"]) == (409, "Conflict")
    gone = http("DELETE", f"{SECRETS}/s").json()
    assert (gone["kind"], gone["status"]) == ("Status", "Success")
    missing = http("DELETE", f"{SECRETS}/s")
    assert (missing.status_code, missing.json()["message"]) == (404, 'secrets "s" not found')


def test_a_finalizer_holds(http: Http, shop: str) -> None:
    body = secret()
    body["metadata"]["finalizers"] = ["paas.example/hold"]
    http("POST", SECRETS, body)
    for _ in range(2):  # the second delete of what is going is a 200, too
        answer = http("DELETE", f"{SECRETS}/s")
        assert answer.status_code == 200
        assert answer.json()["metadata"]["deletionTimestamp"]
    applied = http.apply(secret())
    assert (applied.status_code, "deletionTimestamp" in applied.json()["metadata"]) == (200, True)
    http("PATCH", f"{SECRETS}/s", {"metadata": {"finalizers": None}}, headers=MERGE)
    assert http("GET", f"{SECRETS}/s").status_code == 404


@pytest.mark.parametrize("policy", ["Background", "Foreground", "Orphan"])
def test_dependents_of_a_deployment(
    kube: FakeKube, kubectl: Kubectl, http: Http, shop: str, policy: str
) -> None:
    http.apply(deployment())
    kubectl("-n", shop, "rollout", "status", "deploy/web")
    http("DELETE", path_of(deployment()), params={"propagationPolicy": policy})
    found = http("GET", path_of(deployment()))
    if policy == "Foreground":
        assert found.json()["metadata"]["finalizers"] == ["foregroundDeletion"]
        assert http.apply(deployment()).status_code == 200  # and lost
    else:
        assert found.status_code == 404
    if policy == "Orphan":
        http.apply(deployment())  # adopts what is there
        eventually(lambda: _owned(kube))
        assert len(kube.cluster.all("ReplicaSet", shop)) == 1
    else:
        eventually(lambda: not kube.cluster.all("Pod", shop))
        eventually(lambda: http("GET", path_of(deployment())).status_code == 404)


def _owned(kube: FakeKube) -> bool:
    return all(
        each["metadata"].get("ownerReferences") for each in kube.cluster.all("ReplicaSet", "shop")
    )


def test_a_jobs_pods_stay_unless_told(kube: FakeKube, http: Http, shop: str) -> None:
    once = {"restartPolicy": "Never", **pod_spec(command=["sleep", "9"])}
    body = {"apiVersion": "batch/v1", "kind": "Job", "spec": {"template": {"spec": once}}}
    for name, params, left in (("a", {}, 1), ("b", {"propagationPolicy": "Background"}, 1)):
        job = {**body, "metadata": {"name": name, "namespace": shop}}
        http.apply(job)
        eventually(lambda: len(kube.cluster.all("Pod", shop)) > 0)
        answer = http("DELETE", path_of(job), params=params)
        assert ("child pods are preserved" in answer.headers.get("Warning", "")) == (not params)
        eventually(lambda: len(kube.cluster.all("Pod", shop)) == left)  # noqa: B023


def test_delete_by_label(http: Http, shop: str) -> None:
    for name in ("a", "b", "c"):
        body = secret(name)
        body["metadata"]["labels"] = {"keep": "yes" if name == "c" else "no"}
        http("POST", SECRETS, body)
    answer = http("DELETE", SECRETS, params={"labelSelector": "keep=no"}).json()
    assert [each["metadata"]["name"] for each in answer["items"]] == ["a", "b"]
    assert http("GET", f"{SECRETS}/c").status_code == 200


def test_the_end_of_a_namespace(kube: FakeKube, http: Http, kubectl: Kubectl, shop: str) -> None:
    body = {"apiVersion": "v1", "kind": "ConfigMap"}
    body["metadata"] = {  # type: ignore[assignment]
        "name": "held", "namespace": shop, "finalizers": ["paas.example/hold"],
    }  # fmt: skip
    http.apply(body)
    answer = http("DELETE", "/api/v1/namespaces/shop").json()
    assert answer["status"]["phase"] == "Terminating"
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": shop}}
    applied = http.apply(space)
    assert (applied.status_code, "deletionTimestamp" in applied.json()["metadata"]) == (200, True)
    again = http("POST", "/api/v1/namespaces", space)
    assert again.status_code == 409
    assert again.json()["message"] == 'object is being deleted: namespaces "shop" already exists'
    inside = http("POST", SECRETS, secret())
    assert inside.status_code == 403
    assert inside.json()["message"] == (
        'secrets "s" is forbidden: unable to create new content in namespace shop because it is'
        " being terminated"
    )
    assert inside.json()["details"]["causes"][0]["reason"] == "NamespaceTerminating"
    conditions = eventually(
        lambda: (kube.cluster.get("Namespace", "", shop) or {})["status"].get("conditions")
    )
    texts = [each["message"] for each in conditions if each["status"] == "True"]
    assert "Some resources are remaining: configmaps. has 1 resource instances" in texts
    assert texts[1].endswith("finalizers remaining: paas.example/hold in 1 resource instances")
    http("PATCH", path_of(body), {"metadata": {"finalizers": None}}, headers=MERGE)
    kubectl("wait", "--for=delete", "ns/shop", "--timeout=10s")
    assert http.apply(space).status_code == 201


# --- admission ------------------------------------------------------------
def test_pod_security_refuses_pods_and_warns_of_the_rest(http: Http, shop: str) -> None:
    bare = {"containers": [{"name": "m", "image": "x:1"}]}
    metadata = {"name": "x", "namespace": shop}
    pod = http.apply({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": bare})
    text = (
        'violates PodSecurity "restricted:latest": allowPrivilegeEscalation != false (container'
        ' "m" must set securityContext.allowPrivilegeEscalation=false), unrestricted capabilities'
        ' (container "m" must set securityContext.capabilities.drop=["ALL"]), runAsNonRoot != true'
        ' (pod or container "m" must set securityContext.runAsNonRoot=true), seccompProfile (pod'
        ' or container "m" must set securityContext.seccompProfile.type to "RuntimeDefault" or'
        ' "Localhost")'
    )
    assert pod.status_code == 403
    assert pod.json()["message"] == f'pods "x" is forbidden: {text}'
    body = deployment()
    body["spec"]["template"]["spec"] = bare
    answer = http.apply(body)
    assert answer.status_code == 201
    assert "would violate PodSecurity" in answer.headers["Warning"]


@pytest.mark.parametrize(
    ("change", "passes"),
    [
        ({}, True),
        ({"securityContext": {"runAsUser": 0}}, False),
        ({"hostNetwork": True}, False),
        ({"volumes": [{"name": "v", "hostPath": {"path": "/nix"}}]}, False),
        ({"volumes": [{"name": "v", "emptyDir": {}}, {"name": "s", "secret": {}}]}, True),
    ],
)
def test_what_passes_restricted(http: Http, shop: str, change: Any, passes: bool) -> None:
    spec = pod_spec()
    spec["securityContext"] |= change.pop("securityContext", {})
    body = {"apiVersion": "v1", "kind": "Pod", "spec": {**spec, **change}}
    answer = http.apply({**body, "metadata": {"name": "x", "namespace": shop}})
    assert answer.status_code == (201 if passes else 403), answer.text


def test_quotas_and_limits(http: Http, shop: str) -> None:
    here = {"namespace": shop}
    hard = {"limits.memory": "1Gi"}
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "q", **here}}
    http.apply({**quota, "spec": {"hard": hard}})

    def pod(**resources: Any) -> Any:
        spec = pod_spec(name="m", resources=resources)
        body = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", **here}, "spec": spec}
        return http.apply(body)

    prefix = 'pods "p" is forbidden: '
    assert pod().json()["message"] == (
        f"{prefix}failed quota: q: must specify limits.memory for: m"
    )
    assert pod(limits={"memory": "2Gi"}).json()["message"] == (
        f"{prefix}exceeded quota: q, requested: limits.memory=2Gi, used: limits.memory=0,"
        " limited: limits.memory=1Gi"
    )
    limit = {"type": "Container", "max": {"memory": "512Mi"}, "default": {"memory": "64Mi"}}
    ranges = {"apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "l", **here}}
    http.apply({**ranges, "spec": {"limits": [limit]}})
    assert pod(limits={"memory": "600Mi"}).json()["message"] == (
        f"{prefix}maximum memory usage per Container is 512Mi, but limit is 600Mi"
    )
    filled = pod()
    assert filled.status_code == 201
    assert filled.json()["spec"]["containers"][0]["resources"]["limits"] == {"memory": "64Mi"}
