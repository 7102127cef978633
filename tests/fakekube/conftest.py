"""A fake cluster per test, and three ways to speak to it."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from .server import FakeKube

KUBECTL = Path(sys.executable).parent / "kubectl"
RESTRICTED = {
    "pod-security.kubernetes.io/enforce": "restricted",
    "pod-security.kubernetes.io/warn": "restricted",
}
APPLY = "application/apply-patch+yaml"


@pytest.fixture
def kube(tmp_path: Path) -> Iterator[FakeKube]:
    """A cluster whose time runs ten times as fast."""
    with FakeKube(speed=10) as running:
        running.kubeconfig(tmp_path / "kubeconfig")
        yield running


class Kubectl:
    """Runs kubectl against the fake."""

    def __init__(self, config: Path) -> None:
        self.argv = [str(KUBECTL), f"--kubeconfig={config}", f"--cache-dir={config.parent}/cache"]

    def __call__(self, *args: str, given: Any = None, fails: bool = False) -> str:
        """Its output (stdout and stderr); `given` becomes its `-f -`."""
        text = given if isinstance(given, str) or given is None else json.dumps(given)
        done = subprocess.run(
            [*self.argv, *args], input=text, capture_output=True, text=True, timeout=60
        )
        shown = done.stdout + done.stderr
        assert (done.returncode != 0) == fails, shown
        return shown

    def json(self, *args: str) -> Any:
        return json.loads(self(*args, "-o", "json", "--show-managed-fields"))


@pytest.fixture
def kubectl(kube: FakeKube, tmp_path: Path) -> Kubectl:
    return Kubectl(tmp_path / "kubeconfig")


class Http:
    """Raw requests to the fake, as an administrator."""

    def __init__(self, url: str) -> None:
        self.url = url

    def __call__(self, method: str, path: str, body: Any = None, **more: Any) -> requests.Response:
        data = None if body is None else json.dumps(body)
        headers = {"Content-Type": "application/json", **more.pop("headers", {})}
        return requests.request(
            method, self.url + path, data=data, headers=headers, timeout=30, **more
        )

    def get(self, path: str, **more: Any) -> Any:
        answer = self("GET", path, **more)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def apply(self, body: dict[str, Any], manager: str = "paas", **params: str) -> Any:
        """Server-side apply of a whole object, where it says it belongs."""
        params = {"fieldManager": manager, **params}
        return self("PATCH", path_of(body), body, params=params, headers={"Content-Type": APPLY})


_PLURALS = {"Ingress": "ingresses", "NetworkPolicy": "networkpolicies", "Endpoints": "endpoints"}


def path_of(body: dict[str, Any]) -> str:
    version, kind = body["apiVersion"], body["kind"]
    start = f"/apis/{version}" if "/" in version else f"/api/{version}"
    namespace = body["metadata"].get("namespace")
    where = f"/namespaces/{namespace}" if namespace else ""
    plural = _PLURALS.get(kind, f"{kind.lower()}s")
    return f"{start}{where}/{plural}/{body['metadata']['name']}"


@pytest.fixture
def http(kube: FakeKube) -> Http:
    return Http(kube.url)


@pytest.fixture
def shop(http: Http) -> str:
    """A namespace in which pods must be restricted."""
    body = {"apiVersion": "v1", "kind": "Namespace"}
    http.apply({**body, "metadata": {"name": "shop", "labels": RESTRICTED}})
    return "shop"


def pod_spec(**container: Any) -> dict[str, Any]:
    """The smallest spec that passes PodSecurity `restricted`."""
    main = {
        "name": "web",
        "image": "registry.example/web:1",
        "securityContext": {
            "allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]},
        },
    }  # fmt: skip
    context = {
        "runAsNonRoot": True,
        "runAsUser": 1000,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    return {"securityContext": context, "containers": [{**main, **container}]}


def deployment(name: str = "web", namespace: str = "shop", **spec: Any) -> dict[str, Any]:
    """A Deployment as the panel writes one; `pod` are a container's fields."""
    container = {
        "ports": [{"name": "http", "containerPort": 8080}],
        "env": [{"name": "PORT", "value": "8080"}],
        "resources": {"requests": {"cpu": "50m", "memory": "32Mi"}, "limits": {"memory": "64Mi"}},
        "readinessProbe": {"httpGet": {"path": "/", "port": "http"}, "periodSeconds": 1},
        **spec.pop("pod", {}),
    }
    labels = {"app": name}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "spec": {
            "strategy": {
                "type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1},
            },
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod_spec(**container)},
            **spec,
        },
    }  # fmt: skip


def eventually(check: Callable[[], Any], seconds: float = 10.0) -> Any:
    """The first true answer.

    Raises:
        AssertionError: none came in time.
    """
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = check()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError("it did not happen in time")
