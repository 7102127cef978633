"""The whole contract, and the ways in, where routes are HTTPRoutes of a Gateway."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

from paas.runtimes.base import AppSpec
from paas.runtimes.kubernetes import KubernetesRuntime, kinds
from paas.runtimes.kubernetes.client import Client
from paas.runtimes.kubernetes.settings import ClusterSettings
from tests.fakekube.server import FakeKube
from tests.kubernetes.conftest import SETTINGS, make_spec, web
from tests.kubernetes.driving import deploy, objects
from tests.kubernetes.scenarios import ClusterContract

GATEWAY = replace(SETTINGS, gateway="infra/public")
LISTENERS = [
    {"name": "web", "protocol": "HTTP", "port": 80},
    {"name": "websecure", "protocol": "HTTPS", "port": 443},
]


@pytest.fixture(scope="module")
def kube() -> Iterator[FakeKube]:
    with FakeKube(speed=5, run="all") as kube:
        make(kube, "/api/v1/namespaces", {"metadata": {"name": "infra"}})
        make(
            kube,
            kinds.GATEWAY.path("infra"),
            {"metadata": {"name": "public"}, "spec": {"listeners": LISTENERS}},
        )
        yield kube


def make(kube: FakeKube, path: str, body: dict[str, Any]) -> None:
    headers = {"Content-Type": "application/json"}
    urlopen(Request(kube.url + path, json.dumps(body).encode(), headers, method="POST")).close()


def on_gateway(
    kube: FakeKube, folder: Path, patch: pytest.MonkeyPatch, settings: ClusterSettings
) -> KubernetesRuntime:
    patch.setenv("KUBECONFIG", str(kube.kubeconfig(folder / "kubeconfig")))
    return KubernetesRuntime(settings)


@pytest.fixture
def runtime(
    kube: FakeKube, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[KubernetesRuntime]:
    yield on_gateway(kube, tmp_path, monkeypatch, GATEWAY)
    kube.cluster.faults.pods.clear()


class TestContract(ClusterContract):
    """Every test of it."""


def routes(kube: FakeKube, spec: AppSpec) -> dict[str, Any]:
    return {name: b["spec"] for (_, name), b in objects(kube, spec, kinds.HTTP_ROUTE).items()}


def sections(route: dict[str, Any]) -> list[str]:
    return [one["sectionName"] for one in route["parentRefs"]]


def test_http_leads_to_https_and_maintenance_to_the_page(
    kube: FakeKube, runtime: KubernetesRuntime
) -> None:
    spec = make_spec(web(), routing=1)
    deploy(runtime, spec)
    assert objects(kube, spec, kinds.INGRESS) == {}
    made = routes(kube, spec)
    assert sections(made["web"]) == ["websecure"]
    assert sections(made["web-redirect"]) == ["web"]
    runtime.route(spec.app_id, spec.hosts, maintenance=True, routing=2)
    (rule,) = routes(kube, spec)["web"]["rules"]
    assert rule["backendRefs"][0]["name"] == "closed"
    assert "filters" in routes(kube, spec)["web-redirect"]["rules"][0]
    assert runtime.drift([replace(spec, maintenance=True, routing=2)]) == {}
    runtime.route(spec.app_id, (), maintenance=False, routing=3)
    assert routes(kube, spec) == {}


def test_without_an_issuer_one_route_serves_all_listeners(
    kube: FakeKube, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = on_gateway(kube, tmp_path, monkeypatch, replace(GATEWAY, cluster_issuer=""))
    spec = make_spec()
    deploy(runtime, spec)
    made = routes(kube, spec)
    assert set(made) == {"web"}
    assert "sectionName" not in made["web"]["parentRefs"][0]


def test_another_way_in_by_setting_takes_the_old_one_away(
    kube: FakeKube, runtime: KubernetesRuntime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = make_spec()
    deploy(runtime, spec, 1)
    other = on_gateway(kube, tmp_path, monkeypatch, SETTINGS)
    assert other.drift([spec]) == {spec.app_id: "Middleware https is missing"}
    deploy(other, spec, 2)
    assert routes(kube, spec) == {}
    assert set(objects(kube, spec, kinds.INGRESS)) == {("Ingress", "web")}
    assert other.drift([spec]) == {}


def test_a_gateway_that_is_not_there_is_no_hindrance(
    kube: FakeKube, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = on_gateway(kube, tmp_path, monkeypatch, replace(GATEWAY, gateway="infra/none"))
    spec = make_spec()
    deploy(runtime, spec)
    assert set(routes(kube, spec)) == {"web"}
    assert Client().items(kinds.HTTP_ROUTE, labels=f"paas.dev/app={spec.app_id}")
