"""What the objects say, value by value; all valid for the Kubernetes versions k3s supports."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import kubernetes_validate
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paas.runtimes.base import Autoscale, Check, RuntimeFailure, Size
from paas.runtimes.kubernetes import objects, pods
from paas.runtimes.kubernetes.names import MOST, canonical, clean, object_name, object_names
from paas.runtimes.kubernetes.objects import AppObjects, Routing
from paas.runtimes.kubernetes.settings import ClusterSettings
from tests.kubernetes.conftest import make_spec, web, worker

VERSIONS = ("1.34", "1.35", "1.36")
PLAIN = ClusterSettings()


def everything(settings: ClusterSettings, *processes: Any, **more: Any) -> list[dict[str, Any]]:
    spec = make_spec(*processes, **more)
    made = AppObjects(settings, spec)
    routing = Routing(spec.hosts, spec.maintenance, spec.routing)
    return [
        *made.ground(),
        *made.deployments(),
        *made.companions(),
        *objects.routes(settings, made.namespace, spec.app_id, routing),
    ]


def deployment(*processes: Any, settings: ClusterSettings = PLAIN, **more: Any) -> dict[str, Any]:
    (first, *_) = AppObjects(settings, make_spec(*processes, **more)).deployments()
    return first


def container(body: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = body["spec"]["template"]["spec"]["containers"][0]
    return found


CHECKS = (
    Check(path="/up", timeout=3),
    Check(type="readiness", path="/ready"),
    Check(type="liveness", command=("true",), attempts=2, wait=7),
)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    "settings",
    [
        PLAIN,
        ClusterSettings(cluster_issuer="le", node_selector={"disk": "ssd"}, drain_seconds=0),
        ClusterSettings(wildcard=True, ingress_class=""),
    ],
)
def test_all_objects_are_valid(version: str, settings: ClusterSettings) -> None:
    processes = (
        web(quantity=3, checks=CHECKS),
        worker(autoscale=Autoscale(2, 5, 60)),
        replace(worker(), type="My_Worker"),
    )
    for body in everything(settings, *processes, maintenance=True):
        kubernetes_validate.validate(body, version, strict=True)


def test_the_same_spec_gives_the_same_bytes() -> None:
    spec = make_spec(web(), worker())
    shuffled = replace(spec, environment=dict(reversed(list(spec.environment.items()))))
    one, other = (AppObjects(PLAIN, each) for each in (spec, shuffled))
    for make in (AppObjects.ground, AppObjects.deployments, AppObjects.companions):
        assert [canonical(body) for body in make(one)] == [canonical(body) for body in make(other)]


def test_a_release_of_the_same_content_has_the_same_pods() -> None:
    spec = make_spec()
    one, two = (AppObjects(PLAIN, replace(spec, release=n)).deployments()[0] for n in (1, 2))
    assert one["spec"] == two["spec"]
    assert two["metadata"]["labels"]["paas.dev/release"] == "2"


def test_pods_are_confined() -> None:
    template = deployment()["spec"]["template"]["spec"]
    assert template["securityContext"] == {
        "runAsNonRoot": True,
        "runAsUser": 1000,
        "runAsGroup": 1000,
        "fsGroup": 1000,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    assert template["containers"][0]["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert template["automountServiceAccountToken"] is False


def test_a_web_process_drains_and_others_must_stay_up() -> None:
    body = deployment(web())
    assert container(body)["lifecycle"] == {"preStop": {"sleep": {"seconds": 5}}}
    assert body["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] == 35
    assert "minReadySeconds" not in body["spec"]
    other = deployment(worker())
    assert other["spec"]["minReadySeconds"] == 5
    assert "lifecycle" not in container(other)
    assert "replicas" not in body["spec"]
    assert "replicas" not in other["spec"]


def test_probes() -> None:
    plain = container(deployment(web()))
    assert plain["startupProbe"] == {
        "tcpSocket": {"port": "http"},
        "periodSeconds": 1,
        "failureThreshold": 60,
        "timeoutSeconds": 1,
    }
    asked = container(deployment(web(checks=CHECKS), hosts=("shop.example.org",)))
    headers = [{"name": "Host", "value": "shop.example.org"}]
    assert asked["startupProbe"]["httpGet"]["httpHeaders"] == headers
    assert asked["readinessProbe"]["httpGet"]["path"] == "/ready"
    assert asked["livenessProbe"]["exec"] == {"command": ["true"]}
    assert asked["livenessProbe"]["failureThreshold"] == 2
    assert "startupProbe" not in container(deployment(worker()))


@pytest.mark.parametrize(
    ("size", "cpu", "memory", "limit"),
    [
        (Size(), "100m", "128Mi", "512Mi"),
        (Size("l", 14336, 8192), "800m", "3584Mi", "14Gi"),
        (Size("xl", 4096, 20480), "2", "1Gi", "4Gi"),
    ],
)
def test_sizes(size: Size, cpu: str, memory: str, limit: str) -> None:
    resources = container(deployment(web(size=size)))["resources"]
    assert resources == {"requests": {"cpu": cpu, "memory": memory}, "limits": {"memory": limit}}


def test_tls_by_setting() -> None:
    hosts = ("shop.localhost", "www.example.org")

    def tls(settings: ClusterSettings) -> Any:
        (ingress,) = objects.routes(settings, "ns", "id", Routing(hosts, False, 0))
        return ingress["spec"].get("tls"), ingress["metadata"].get("annotations")

    assert tls(PLAIN) == (None, None)
    each, notes = tls(ClusterSettings(cluster_issuer="le"))
    assert notes == {"cert-manager.io/cluster-issuer": "le"}
    assert [entry["hosts"] for entry in each] == [[host] for host in hosts]
    assert len({entry["secretName"] for entry in each}) == 2
    assert tls(ClusterSettings(wildcard=True)) == ([{"hosts": ["shop.localhost"]}], None)


def test_routes_of_a_gateway() -> None:
    settings = ClusterSettings(gateway="infra/public")
    (route,) = objects.routes(settings, "ns", "id", Routing(("a.localhost",), False, 0))
    assert route["spec"]["parentRefs"] == [{"name": "public", "namespace": "infra"}]
    assert route["spec"]["hostnames"] == ["a.localhost"]


def test_an_environment_is_named_by_its_contents() -> None:
    a, b = ({"A": "1"}, {"A": "2"})
    assert pods.environment_secret(a) != pods.environment_secret(b)
    secret = objects.environment_secret("ns", "id", {"B": "ü\nx", "A": ""}, 1)
    assert objects.decoded(secret) == {"A": "", "B": "ü\nx"}
    assert secret["immutable"] is True


@pytest.mark.parametrize(
    ("name", "wanted"),
    [("web", "web"), ("my_worker", "my-worker"), ("Web", "web")],
)
def test_simple_names(name: str, wanted: str) -> None:
    assert object_name(name) == wanted


@given(st.sets(st.from_regex(r"\A[-\w]{1,128}\Z"), max_size=6))
def test_any_names_become_different_usable_ones(names: set[str]) -> None:
    given = object_names(names)
    assert len(set(given.values())) == len(names)
    for name in given.values():
        assert len(name) <= MOST
        assert name[0].isalpha() and name[-1].isalnum() and name.isascii()


def test_clean_leaves_what_means_something() -> None:
    body = {"a": None, "b": {}, "c": [], "emptyDir": {}, "d": {"e": {"f": None}}, "g": 0}
    assert clean(body) == {"emptyDir": {}, "g": 0}


@pytest.mark.parametrize(
    "variable",
    ["PAAS_NAMESPACE_PREFIX=9", "PAAS_GATEWAY=x", "PAAS_NODE_SELECTOR=a", "PAAS_DRAIN_SECONDS=x"],
)
def test_bad_settings_are_named(variable: str) -> None:
    name, _, value = variable.partition("=")
    with pytest.raises(RuntimeFailure, match=name):
        ClusterSettings.of({name: value})
