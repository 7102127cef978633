"""Certificates that owners bring: what is refused and why, whom they serve, what is shown."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
)

from apps.accounts.errors import Refused
from apps.accounts.policy import Actor
from apps.formation import pem
from apps.formation.models import OwnCertificate
from apps.formation.owned import add_certificate
from apps.formation.served import certificates_for
from paas.instance import Ingress
from tests.pem import authority, pair, private

pytestmark = pytest.mark.django_db
HOST = "www.example.org"


@pytest.fixture(autouse=True)
def secure(settings: Any) -> None:
    settings.INSTANCE = replace(settings.INSTANCE, ingress=Ingress(secure=True, port=443))


@pytest.fixture
def site(hello: Any) -> Any:
    hello.domains.create(hostname=HOST)
    return hello


def encrypted() -> str:
    how = BestAvailableEncryption(b"secret")
    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, how).decode()


def short() -> str:
    return private(rsa.generate_private_key(65537, 1024))  # type: ignore[arg-type]


CHAIN, KEY = pair(HOST)
CA = authority()


@pytest.mark.parametrize(
    ("chain", "key", "why"),
    [
        ("nonsense", KEY, "is no PEM"),
        (KEY, KEY, "is no PEM"),
        (CHAIN, "nonsense", "private key is no PEM"),
        (CHAIN, encrypted(), "has a passphrase"),
        (CHAIN, short(), "1024 bits"),
        (CHAIN, pair(HOST)[1], "does not belong"),
        (*pair(HOST, days=-1), "ran out on"),
        (*pair(), "names no host"),
        (CHAIN + authority()[2], KEY, "chain is broken"),
        ("x" * 70_000, KEY, "larger than"),
    ],
)
def test_what_cannot_serve_is_refused_with_the_reason(chain: str, key: str, why: str) -> None:
    with pytest.raises(Refused, match=why) as refusal:
        pem.read(chain, key)
    assert "PRIVATE KEY-----\nM" not in str(refusal.value)


def test_a_chain_of_a_ca_passes() -> None:
    chain, key = pair(HOST, "*.example.com", by=CA)
    read = pem.read(chain, key)
    assert read.hostnames == (HOST, "*.example.com")
    assert read.chain.count("BEGIN CERTIFICATE") == 2


@pytest.mark.parametrize(
    ("name", "host", "serves"),
    [
        ("www.example.org", "www.example.org", True),
        ("*.example.org", "www.example.org", True),
        ("*.example.org", "a.b.example.org", False),
        ("*.example.org", "example.org", False),
        ("example.org", "www.example.org", False),
    ],
)
def test_which_hosts_a_name_covers(name: str, host: str, serves: bool) -> None:
    assert pem.covers([name], host) is serves


def test_it_must_be_for_a_host_of_the_app(hello: Any, alice: Any) -> None:
    with pytest.raises(Refused, match=f"Add the domain first: paas domains:add {HOST}"):
        add_certificate(Actor(alice), hello, CHAIN, KEY)


@pytest.mark.parametrize(
    ("ingress", "why"), [(Ingress(by_gateway=True), "Gateway"), (None, "PAAS_TLS")]
)
def test_a_front_door_without_a_use_for_it_says_so(
    site: Any, alice: Any, settings: Any, ingress: Ingress | None, why: str
) -> None:
    settings.INSTANCE = replace(settings.INSTANCE, ingress=ingress)
    with pytest.raises(Refused, match=why):
        add_certificate(Actor(alice), site, CHAIN, KEY)


def test_the_key_rests_sealed_and_the_last_one_serves(site: Any, alice: Any) -> None:
    first = add_certificate(Actor(alice), site, CHAIN, KEY)
    assert "PRIVATE" not in OwnCertificate.objects.get(pk=first.pk).sealed
    (served,) = certificates_for(site, ["hello.localhost", HOST])
    assert (served.hosts, served.chain) == ((HOST,), CHAIN)
    assert served.key.startswith("-----BEGIN PRIVATE KEY-----")
    assert "PRIVATE" not in repr(served)
    chain, key = pair("*.example.org")
    add_certificate(Actor(alice), site, chain, key)
    assert certificates_for(site, [HOST])[0].chain == chain


def test_from_upload_to_removal_by_the_api(site: Any, alice: Any, api: Any) -> None:
    call = api(alice)
    body = {"certificate_chain": CHAIN, "private_key": KEY}
    status, one = call("POST", "/apps/hello/sni-endpoints", body)
    assert status == 201, one
    assert one["ssl_cert"]["cert_domains"] == [HOST]
    assert one["domains"] == [str(site.domains.get().id)]
    assert "private_key" not in json.dumps(one) and "PRIVATE" not in json.dumps(one)
    path = f"/apps/hello/domains/{HOST}"
    assert call("GET", path)[1]["sni_endpoint"] == {"id": one["id"], "name": one["name"]}
    assert call("PATCH", path, {"sni_endpoint": one["name"]})[0] == 200
    assert call("PATCH", path, {"sni_endpoint": None})[0] == 422
    endpoint = f"/apps/hello/sni-endpoints/{one['name']}"
    chain, key = pair("*.example.org")
    _, changed = call("PATCH", endpoint, {"certificate_chain": chain, "private_key": key})
    assert changed["ssl_cert"]["cert_domains"] == ["*.example.org"]
    assert call("PATCH", endpoint, {"certificate_chain": chain, "private_key": KEY})[0] == 422
    assert call("DELETE", endpoint)[0] == 200
    assert call("GET", endpoint)[0] == 404
    assert call("GET", path)[1]["sni_endpoint"] is None
