"""What cert-manager's objects say of a host's certificate."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography import x509

from paas.runtimes.base import Certificate, HostCertificate
from paas.runtimes.kubernetes import KubernetesRuntime
from paas.runtimes.kubernetes.certificates import _state
from paas.runtimes.kubernetes.objects import decoded
from tests.fakekube.server import FakeKube
from tests.kubernetes.conftest import make_spec
from tests.kubernetes.driving import deploy, objects, versions
from tests.pem import pair

HOST = "www.example.org"


def certificate(*conditions: dict[str, Any], **status: Any) -> dict[str, Any]:
    return {"status": {"conditions": list(conditions), **status}}


READY = {"type": "Ready", "status": "True", "message": "Certificate is up to date"}
NOT_READY = {"type": "Ready", "status": "False", "message": "Issuing certificate"}
ISSUING = {"type": "Issuing", "status": "True", "message": "Issuing certificate as Secret is none"}
FAILED = {"type": "Issuing", "status": "False", "message": "The order failed."}
CHALLENGE = {
    "spec": {"dnsName": HOST},
    "status": {"reason": "Waiting for HTTP-01 challenge propagation: wrong status code 404."},
}


@pytest.mark.parametrize(
    ("one", "challenges", "wanted"),
    [
        (
            certificate(READY, notAfter="2027-01-01T00:00:00Z"),
            [],
            Certificate(expires=datetime(2027, 1, 1, tzinfo=UTC)),
        ),
        (
            certificate(NOT_READY, ISSUING),
            [],
            Certificate(problem="Issuing certificate as Secret is none", pending=True),
        ),
        (
            certificate(NOT_READY, ISSUING),
            [CHALLENGE],
            Certificate(problem="Waiting for HTTP-01 challenge propagation: wrong status code 404"),
        ),
        (certificate(NOT_READY, FAILED), [], Certificate(problem="The order failed")),
        ({}, [], Certificate(problem="cert-manager has not begun", pending=True)),
    ],
)
def test_states(one: dict[str, Any], challenges: list[Any], wanted: Certificate) -> None:
    assert _state(one, challenges, HOST) == wanted


def test_a_cluster_without_cert_manager_says_so(runtime: KubernetesRuntime) -> None:
    spec = make_spec()
    deploy(runtime, spec)
    assert "is it installed" in runtime.certificate(spec.hosts[0]).problem
    assert "no route leads" in runtime.certificate("other.example.org").problem


def test_an_owner_s_certificate_is_a_secret_of_its_own_ingress(
    kube: FakeKube, runtime: KubernetesRuntime
) -> None:
    spec = make_spec(routing=1)
    own = f"own.{spec.name}.example.org"
    hosts = (*spec.hosts, own)
    deploy(runtime, spec)
    chain, key = pair(own)
    mine = HostCertificate((own,), chain, key)
    runtime.route(spec.app_id, hosts, maintenance=False, routing=2, certificates=(mine,))
    found = objects(kube, spec)
    (entry,) = found["Ingress", "web-tls"]["spec"]["tls"]
    secret = found["Secret", entry["secretName"]]
    assert (secret["type"], entry["hosts"]) == ("kubernetes.io/tls", [own])
    assert decoded(secret)["tls.crt"] == chain
    assert "cert-manager.io/cluster-issuer" not in found["Ingress", "web-tls"]["metadata"].get(
        "annotations", {}
    )
    leaf = x509.load_pem_x509_certificate(chain.encode())
    assert runtime.certificate(own) == Certificate(expires=leaf.not_valid_after_utc)
    assert runtime.routes().hosts[own] == spec.app_id
    same = replace(spec, hosts=hosts, routing=2, certificates=(mine,))
    before = versions(kube, spec)
    deploy(runtime, same, 2)
    assert runtime.drift([same]) == {}
    assert versions(kube, spec).items() >= before.items()
    runtime.route(spec.app_id, spec.hosts, maintenance=False, routing=3)
    assert ("Ingress", "web-tls") not in objects(kube, spec)
