"""Tokens and roles: who may, who may not, and in which words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import requests
import websocket

from . import certificates
from .conftest import APPLY, Http, Kubectl, deployment, eventually, path_of
from .server import FakeKube

SECRETS = "/api/v1/namespaces/default/secrets"


@pytest.fixture
def token(http: Http) -> str:
    """Of a service account without any rights."""
    metadata = {"name": "panel", "namespace": "default"}
    http.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata})
    path = "/api/v1/namespaces/default/serviceaccounts/panel/token"
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest"}
    answer = http("POST", path, {**body, "spec": {"expirationSeconds": 3600}})
    assert answer.status_code == 201
    return str(answer.json()["status"]["token"])


def grant(http: Http, *rules: dict[str, Any], namespace: str = "") -> None:
    """Gives the service account rules, everywhere or in a namespace."""
    api, kind = {"apiVersion": "rbac.authorization.k8s.io/v1"}, "" if namespace else "Cluster"
    metadata: dict[str, Any] = {"name": "panel"}
    if namespace:
        metadata["namespace"] = namespace
    subject = {"kind": "ServiceAccount", "name": "panel", "namespace": "default"}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": f"{kind}Role", "name": "panel"}
    body = {**api, "kind": f"{kind}Role", "metadata": metadata, "rules": list(rules)}
    assert http.apply(body).ok
    binding = {**api, "kind": f"{kind}RoleBinding", "metadata": metadata}
    assert http.apply({**binding, "subjects": [subject], "roleRef": role}).ok


def rule(groups: str, resources: str, verbs: str) -> dict[str, Any]:
    rows = {"apiGroups": groups, "resources": resources, "verbs": verbs}
    return {name: text.split(",") for name, text in rows.items()}


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def test_a_403_says_who_cannot_what_where(http: Http, token: str) -> None:
    answer = http("PATCH", path_of(deployment("x", "y")), {}, headers=bearer(token))
    assert answer.status_code == 403
    assert answer.json()["message"] == (
        'deployments.apps "x" is forbidden: User "system:serviceaccount:default:panel" cannot patch'
        ' resource "deployments" in API group "apps" in the namespace "y"'
    )
    answer = http("GET", "/api/v1/nodes", headers=bearer(token))
    assert answer.json()["message"] == (
        'nodes is forbidden: User "system:serviceaccount:default:panel" cannot list resource'
        ' "nodes" in API group "" at the cluster scope'
    )


def test_apply_needs_patch_first_and_then_create(http: Http, token: str, shop: str) -> None:
    def apply() -> requests.Response:
        headers = {**bearer(token), "Content-Type": APPLY}
        params = {"fieldManager": "paas"}
        return http("PATCH", path_of(deployment()), deployment(), headers=headers, params=params)

    assert "cannot patch" in apply().json()["message"]
    grant(http, rule("apps", "deployments", "patch"))
    assert "cannot create" in apply().json()["message"]
    grant(http, rule("apps", "deployments", "patch,create"))
    assert apply().status_code == 201
    grant(http, rule("apps", "deployments", "patch"))
    assert apply().status_code == 200


def test_a_role_ends_with_its_namespace(http: Http, token: str) -> None:
    grant(http, rule("", "secrets", "list"), namespace="default")
    assert http("GET", SECRETS, headers=bearer(token)).status_code == 200
    assert http("GET", "/api/v1/secrets", headers=bearer(token)).status_code == 403


def test_subresources_and_watch_are_rights_of_their_own(http: Http, token: str) -> None:
    grant(http, rule("", "pods", "get,watch"))
    path = "/api/v1/namespaces/default/pods"
    streaming = {"watch": "1", "sendInitialEvents": "true", "timeoutSeconds": "1",
                 "resourceVersionMatch": "NotOlderThan"}  # fmt: skip
    assert http("GET", path, params=streaming, headers=bearer(token)).status_code == 200
    assert http("GET", path, headers=bearer(token)).status_code == 403
    assert http("GET", f"{path}/x/log", headers=bearer(token)).status_code == 403
    grant(http, rule("", "pods/log", "get"))
    assert http("GET", f"{path}/x/log", headers=bearer(token)).status_code == 404


def test_exec_needs_get_and_create(http: Http, token: str) -> None:
    url = f"{http.url.replace('http', 'ws', 1)}/api/v1/namespaces/default/pods/p/exec"
    for verbs, status in (("get", 403), ("create", 403), ("get,create", 404)):
        grant(http, rule("", "pods/exec", verbs))
        with pytest.raises(websocket.WebSocketBadStatusException) as refused:
            websocket.create_connection(
                f"{url}?command=true&stdout=true", header=bearer(token),
                subprotocols=["v5.channel.k8s.io"], timeout=5,
            )  # fmt: skip
        assert refused.value.status_code == status


def test_nobody_and_a_wrong_token(kube: FakeKube, tmp_path: Path) -> None:
    authority = tmp_path / "ca.pem"
    authority.write_bytes(certificates.authority()[0])
    nodes = f"{kube.secure_url}/api/v1/nodes"
    answer = requests.get(nodes, verify=str(authority), timeout=5)
    assert answer.status_code == 403
    assert 'User "system:anonymous" cannot list' in answer.json()["message"]
    answer = requests.get(f"{kube.url}/api/v1/nodes", headers=bearer("no"), timeout=5)
    assert (answer.status_code, answer.json()["message"]) == (401, "Unauthorized")


def test_kubectl_asks_what_it_may(kube: FakeKube, http: Http, token: str, tmp_path: Path) -> None:
    limited = Kubectl(kube.kubeconfig(tmp_path / "limited", token))
    grant(http, rule("apps", "deployments", "list"))
    assert limited("auth", "can-i", "list", "deployments.apps").strip() == "yes"
    assert limited("auth", "can-i", "create", "deployments.apps", fails=True).strip() == "no"
    assert "No resources found" in limited("get", "deployments")
    assert 'cannot list resource "secrets"' in limited("get", "secrets", fails=True)
    assert eventually(lambda: kube.cluster.requests)[-1].user.endswith(":panel")
