"""The official Python client: typed, dynamic, watch and stream."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .conftest import Http, deployment, eventually
from .server import FakeKube
from .test_streams import running

kubernetes = pytest.importorskip("kubernetes")


@pytest.fixture
def api(kube: FakeKube, tmp_path: Path) -> Iterator[Any]:
    from kubernetes import client, config

    settings = client.Configuration()
    config.load_kube_config(str(tmp_path / "kubeconfig"), client_configuration=settings)
    with client.ApiClient(settings) as connected:
        yield connected


def test_dynamic_apply_and_conflict(api: Any, shop: str) -> None:
    from kubernetes.dynamic import DynamicClient
    from kubernetes.dynamic.exceptions import ConflictError

    dynamic = DynamicClient(api)
    deployments = dynamic.resources.get(api_version="apps/v1", kind="Deployment")
    body = deployment()
    done = dynamic.server_side_apply(deployments, body, namespace=shop, field_manager="paas")
    assert done.metadata.generation == 1
    other = deployment(pod={"image": "registry.example/other:1"})
    with pytest.raises(ConflictError) as refused:
        dynamic.server_side_apply(deployments, other, namespace=shop, field_manager="other")
    assert 'conflict with \\"paas\\"' in str(refused.value.body)


def test_typed_lists_and_watch(api: Any, http: Http, shop: str) -> None:
    from kubernetes import client, watch

    http.apply(deployment())
    core, apps = client.CoreV1Api(api), client.AppsV1Api(api)
    found = apps.list_deployment_for_all_namespaces(label_selector="app=web")
    assert [each.metadata.name for each in found.items] == ["web"]
    seen = set()
    watcher = watch.Watch()
    for event in watcher.stream(core.list_namespaced_pod, shop, timeout_seconds=20):
        seen.add(event["type"])
        pod = event["object"]
        if any(c.type == "Ready" and c.status == "True" for c in pod.status.conditions or []):
            watcher.stop()
    assert "ADDED" in seen


def test_a_watch_raises_410(kube: FakeKube, api: Any, http: Http, shop: str) -> None:
    from kubernetes import client, watch
    from kubernetes.client.exceptions import ApiException

    kube.cluster.compact()
    stream = watch.Watch().stream(
        client.CoreV1Api(api).list_namespaced_pod, shop, resource_version="1", timeout_seconds=2
    )
    with pytest.raises(ApiException) as gone:
        list(stream)
    assert gone.value.status == 410


def test_exec_by_the_client(api: Any, http: Http) -> None:
    from kubernetes import client
    from kubernetes.stream import stream

    running(http, "sleep", "60")
    socket = stream(
        client.CoreV1Api(api).connect_get_namespaced_pod_exec, "p", "default",
        command=["sh", "-c", "cat; exit 3"], stdin=True, stdout=True, stderr=True,
        _preload_content=False,
    )  # fmt: skip
    socket.write_stdin("hello")
    socket.close_channel(0)
    text = ""
    while socket.is_open():
        socket.update(timeout=1)
        text += socket.read_stdout() if socket.peek_stdout() else ""
    assert (text, socket.returncode) == ("hello", 3)


def test_logs_and_scale(api: Any, http: Http, shop: str) -> None:
    from kubernetes import client

    path = running(http, "sh", "-c", "echo hello; sleep 60")
    eventually(lambda: http("GET", f"{path}/log").text)
    assert "hello" in client.CoreV1Api(api).read_namespaced_pod_log("p", "default")
    http.apply(deployment())
    apps = client.AppsV1Api(api)
    apps.patch_namespaced_deployment_scale("web", shop, {"spec": {"replicas": 2}})
    assert apps.read_namespaced_deployment_scale("web", shop).spec.replicas == 2
