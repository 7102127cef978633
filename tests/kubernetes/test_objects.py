"""What the objects say, value by value; all valid for the Kubernetes versions k3s supports."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import kubernetes_validate
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paas.runtimes.base import Autoscale, Check, CronTask, HostCertificate, RuntimeFailure, Size
from paas.runtimes.kubernetes import closed, objects, pods, routes
from paas.runtimes.kubernetes.names import MOST, canonical, clean, object_name, object_names
from paas.runtimes.kubernetes.objects import AppObjects
from paas.runtimes.kubernetes.routes import Door, Routing, routing_of
from paas.runtimes.kubernetes.settings import ClusterSettings
from tests.kubernetes.conftest import IMAGE, make_spec, web, worker

VERSIONS = ("1.34", "1.35", "1.36")
PLAIN = ClusterSettings()
DOOR = Door(middlewares=True, plain=("web",), secure=("websecure",))


def everything(settings: ClusterSettings, *processes: Any, **more: Any) -> list[dict[str, Any]]:
    spec = make_spec(*processes, **more)
    made = AppObjects(settings, spec)
    place = (settings, made.namespace, spec.app_id, routing_of(spec))
    page = closed.page(settings, IMAGE)
    return [
        *made.ground(),
        *made.deployments(),
        *made.companions(),
        *routes.routes(*place, DOOR, page),
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


CRON = (
    CronTask("aaaa1111", 0, "tidy --all", "*/5 * * * *", "forbid", False, 86_400),
    CronTask("bbbb2222", 1, "report", "0 3 * * *", "replace", True, 3_600),
)
OWN = HostCertificate(("www.example.org",), "a chain", "a key")


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
    given = {"maintenance": True, "cron": CRON, "certificates": (OWN,)}
    for body in everything(settings, *processes, **given):
        if body["kind"] != "Middleware":  # traefik's own, of which these schemas know nothing
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

    def tls(settings: ClusterSettings, own: dict[str, str] | None = None) -> Any:
        made = routes.routes(settings, "ns", "id", Routing(hosts, False, 0, own or {}), Door())
        return {
            one["metadata"]["name"]: (
                one["spec"].get("tls"),
                one["metadata"].get("annotations", {}),
                [rule["host"] for rule in one["spec"]["rules"]],
            )
            for one in made
        }

    assert tls(PLAIN) == {"web": (None, {}, list(hosts))}
    each, notes, _ = tls(ClusterSettings(cluster_issuer="le"))["web"]
    assert notes == {"cert-manager.io/cluster-issuer": "le"}
    assert [entry["hosts"] for entry in each] == [[host] for host in hosts]
    assert len({entry["secretName"] for entry in each}) == 2
    assert tls(ClusterSettings(wildcard=True)) == {
        "web": (None, {}, ["www.example.org"]),
        "web-tls": ([{"hosts": ["shop.localhost"]}], {}, ["shop.localhost"]),
    }
    own = tls(ClusterSettings(cluster_issuer="le"), {"www.example.org": "cert-1"})
    assert "cert-manager.io/cluster-issuer" not in own["web-tls"][1], (
        "it would overwrite the Secret"
    )
    assert own["web-tls"][0] == [{"hosts": ["www.example.org"], "secretName": "cert-1"}]
    assert own["web"][2] == ["shop.localhost"]


@pytest.mark.parametrize(
    ("ingress_class", "door", "marks"),
    [
        ("traefik", DOOR, {"traefik.ingress.kubernetes.io/router.middlewares"}),
        ("traefik", Door(), set()),
        ("nginx", DOOR, {"nginx.ingress.kubernetes.io/ssl-redirect"}),
        (
            "",
            DOOR,
            {
                "traefik.ingress.kubernetes.io/router.middlewares",
                "nginx.ingress.kubernetes.io/ssl-redirect",
            },
        ),
    ],
)
def test_http_goes_to_https_in_the_controller_s_way(
    ingress_class: str, door: Door, marks: set[str]
) -> None:
    settings = ClusterSettings(cluster_issuer="le", ingress_class=ingress_class, https_port=8443)
    made = routes.routes(settings, "ns", "id", Routing(("a.localhost",), False, 0), door)
    by_kind = {one["kind"]: one for one in made}
    annotations = by_kind["Ingress"]["metadata"]["annotations"]
    assert annotations.keys() - {"cert-manager.io/cluster-issuer"} == marks
    if any("traefik" in mark for mark in marks):
        redirect = {"scheme": "https", "permanent": True, "port": "8443"}
        assert by_kind["Middleware"]["spec"] == {"redirectScheme": redirect}
    else:
        assert "Middleware" not in by_kind
    (plain,) = routes.routes(
        replace(settings, cluster_issuer=""), "ns", "id", Routing(("a",), False, 0), door
    )
    assert "annotations" not in plain["metadata"], "no redirect without certificates"


def test_routes_of_a_gateway() -> None:
    settings = ClusterSettings(gateway="infra/public")
    routing = Routing(("a.localhost",), False, 0)
    (route,) = routes.routes(settings, "ns", "id", routing, DOOR)
    assert route["spec"]["parentRefs"] == [{"name": "public", "namespace": "infra"}]
    assert route["spec"]["hostnames"] == ["a.localhost"]
    main, redirect = routes.routes(
        replace(settings, cluster_issuer="le"), "ns", "id", routing, DOOR
    )
    assert [one["sectionName"] for one in main["spec"]["parentRefs"]] == ["websecure"]
    assert [one["sectionName"] for one in redirect["spec"]["parentRefs"]] == ["web"]
    (rule,) = redirect["spec"]["rules"]
    assert rule["filters"][0]["requestRedirect"] == {"scheme": "https", "statusCode": 301}
    assert "backendRefs" not in rule


def test_an_environment_is_named_by_its_contents() -> None:
    a, b = ({"A": "1"}, {"A": "2"})
    assert pods.environment_secret(a) != pods.environment_secret(b)
    secret = objects.environment_secret("ns", "id", {"B": "ü\nx", "A": ""})
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
