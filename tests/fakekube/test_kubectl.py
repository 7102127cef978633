"""kubectl's own verbs: the fake must satisfy a client that we have not written."""

from __future__ import annotations

from .conftest import Http, Kubectl, deployment, eventually
from .server import FakeKube


def test_apply_get_describe_delete(kube: FakeKube, kubectl: Kubectl, shop: str) -> None:
    here = ("-n", shop)
    assert "serverside-applied" in kubectl("apply", "--server-side", "-f", "-", given=deployment())
    kubectl(*here, "rollout", "status", "deploy/web", "--timeout=10s")
    assert "1/1" in kubectl(*here, "get", "all")
    described = kubectl(*here, "describe", "deploy", "web")
    assert "1 desired | 1 updated | 1 total | 1 available" in described
    assert "Scaled up replica set web-" in described
    pod = kube.cluster.all("Pod", shop)[0]["metadata"]["name"]
    assert "Successfully assigned shop/web-" in kubectl(*here, "describe", "pod", pod)
    kubectl(*here, "delete", "deploy", "web")
    assert "NotFound" in kubectl(*here, "get", "deploy", "web", fails=True)


def test_apply_of_the_old_kind(kubectl: Kubectl, shop: str) -> None:
    """Client-side: kubectl computes a strategic patch from our OpenAPI schemas."""
    kubectl("apply", "-f", "-", given=deployment())
    assert "unchanged" in kubectl("apply", "-f", "-", given=deployment())
    changed = deployment(pod={"env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]})
    assert "configured" in kubectl("apply", "-f", "-", given=changed)
    live = kubectl.json("-n", shop, "get", "deploy", "web")
    env = live["spec"]["template"]["spec"]["containers"][0]["env"]
    assert [each["name"] for each in env] == ["A", "B"]
    assert "configured (server dry run)" in kubectl(
        "apply", "--dry-run=server", "-f", "-", given=deployment()
    )


def test_a_typing_error_is_found_by_the_server(kube: FakeKube, kubectl: Kubectl, shop: str) -> None:
    wrong = deployment(tpyo=1)
    shown = kubectl("apply", "-f", "-", given=wrong, fails=True)
    assert 'strict decoding error: unknown field "spec.tpyo"' in shown
    shown = kubectl("apply", "--server-side", "-f", "-", given=wrong, fails=True)
    assert ".spec.tpyo: field not declared in schema" in shown
    kube.cluster.invalid.clear()


def test_diff_is_a_dry_run(http: Http, kubectl: Kubectl, shop: str) -> None:
    http.apply(deployment())
    changed = deployment(pod={"image": "registry.example/web:2"})
    shown = kubectl("diff", "--server-side", "--field-manager=paas", "-f", "-", given=changed,
                    fails=True)  # fmt: skip
    assert "+        image: registry.example/web:2" in shown.replace("\t", "        ")


def test_scale_label_patch_and_wait(kubectl: Kubectl, http: Http, shop: str) -> None:
    here = ("-n", shop)
    http.apply(deployment())
    kubectl(*here, "scale", "deploy/web", "--replicas=3")
    kubectl(*here, "wait", "--for=jsonpath={.status.readyReplicas}=3", "deploy/web")
    kubectl(*here, "wait", "--for=condition=Available", "deploy/web")
    kubectl(*here, "label", "deploy/web", "tier=front")
    kubectl(*here, "annotate", "deploy/web", "note=x")
    patch = '{"spec":{"minReadySeconds":1}}'
    kubectl(*here, "patch", "deploy/web", "-p", patch)
    kubectl(*here, "patch", "deploy/web", "--type=merge", "-p", patch)
    operations = '[{"op":"replace","path":"/spec/minReadySeconds","value":2}]'
    kubectl(*here, "patch", "deploy/web", "--type=json", "-p", operations)
    live = kubectl.json(*here, "get", "deploy", "-l", "tier=front")
    assert live["items"][0]["spec"]["minReadySeconds"] == 2
    kubectl(*here, "rollout", "restart", "deploy/web")
    kubectl(*here, "rollout", "status", "deploy/web", "--timeout=20s")


def test_cordon_and_drain(kube: FakeKube, http: Http, kubectl: Kubectl, shop: str) -> None:
    http.apply(deployment(replicas=2))
    kubectl("-n", shop, "rollout", "status", "deploy/web")
    kube.cluster.call(lambda: kube.cluster.add_node("node-2"))
    shown = kubectl("drain", "node-1", "--ignore-daemonsets", "--timeout=20s")
    assert shown.count("evicted") == 2
    node = kube.cluster.get("Node", "", "node-1") or {}
    assert node["spec"]["taints"][0]["key"] == "node.kubernetes.io/unschedulable"
    eventually(
        lambda: {p["spec"].get("nodeName") for p in kube.cluster.all("Pod", shop)} == {"node-2"}
    )
    kubectl("uncordon", "node-1")
    assert "SchedulingDisabled" not in kubectl("get", "nodes")
    node = kube.cluster.get("Node", "", "node-1") or {}
    eventually(lambda: "taints" not in (kube.cluster.get("Node", "", "node-1") or {})["spec"])


def test_discovery(kube: FakeKube, kubectl: Kubectl) -> None:
    assert "v1.36" in kubectl("version")
    listed = kubectl("api-resources", "-o", "name").split()
    for name in (
        "deployments.apps", "certificates.cert-manager.io", "pods.metrics.k8s.io",
        "httproutes.gateway.networking.k8s.io", "leases.coordination.k8s.io",
    ):  # fmt: skip
        assert name in listed
    assert "FIELD: replicas <integer>" in kubectl("explain", "deployment.spec.replicas")
    kube.cluster.metrics = False
    assert "Metrics API not available" in kubectl("top", "pods", fails=True)


def test_top(http: Http, kubectl: Kubectl, shop: str) -> None:
    http.apply(deployment())
    kubectl("-n", shop, "rollout", "status", "deploy/web")
    assert "20Mi" in kubectl("-n", shop, "top", "pods")
