"""What cert-manager's objects say of a host's certificate."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from paas.runtimes.base import Certificate
from paas.runtimes.kubernetes import KubernetesRuntime
from paas.runtimes.kubernetes.certificates import _state
from tests.kubernetes.conftest import make_spec
from tests.kubernetes.driving import deploy

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
