"""Certificates of one's own, in the shape of Heroku's SNI endpoints; no private key is shown."""

from __future__ import annotations

import uuid
from datetime import datetime

from django.http import HttpRequest
from ninja import Router, Status

from apps.accounts.policy import Right
from apps.accounts.schemas import ERRORS, Shape, actor_of, example
from apps.catalog.models import App
from apps.catalog.queries import get_app
from apps.formation import pem
from apps.formation.models import OwnCertificate
from apps.formation.owned import (
    add_certificate,
    get_certificate,
    remove_certificate,
    update_certificate,
)
from apps.formation.served import serving
from apps.releases.api import AppRef

router = Router(tags=["certificates"])


class SslCert(Shape):
    """What the certificate says of itself."""

    id: uuid.UUID
    acm: bool = False
    cert_domains: list[str]
    issuer: str
    subject: str
    is_self_signed: bool
    starts_at: datetime
    expires_at: datetime


class SniEndpointOut(Shape):
    """`domains` are ids of the custom domains that are served with it."""

    id: uuid.UUID
    name: str
    display_name: str
    app: AppRef
    certificate_chain: str
    ssl_cert: SslCert
    domains: list[uuid.UUID]
    created_at: datetime
    updated_at: datetime


class SniEndpointIn(Shape):
    """Both PEM; the chain begins with the domain's certificate, the key has no passphrase."""

    model_config = example(
        certificate_chain="-----BEGIN CERTIFICATE-----\n…",
        private_key="-----BEGIN PRIVATE KEY-----\n…",
    )

    certificate_chain: str
    private_key: str


@router.get("/apps/{app}/sni-endpoints", response={200: list[SniEndpointOut], **ERRORS})
def list_sni_endpoints(request: HttpRequest, app: str) -> list[SniEndpointOut]:
    found = get_app(actor_of(request), app)
    return _show(found, list(found.own_certificates.all()))


@router.post("/apps/{app}/sni-endpoints", response={201: SniEndpointOut, **ERRORS})
def create_sni_endpoint(
    request: HttpRequest, app: str, body: SniEndpointIn
) -> Status[SniEndpointOut]:
    actor = actor_of(request)
    found = get_app(actor, app, Right.OPERATE)
    made = add_certificate(actor, found, body.certificate_chain, body.private_key)
    return Status(201, _show(found, [made])[0])


@router.get("/apps/{app}/sni-endpoints/{endpoint}", response={200: SniEndpointOut, **ERRORS})
def show_sni_endpoint(request: HttpRequest, app: str, endpoint: str) -> SniEndpointOut:
    found = get_app(actor_of(request), app)
    return _show(found, [get_certificate(found, endpoint)])[0]


@router.patch("/apps/{app}/sni-endpoints/{endpoint}", response={200: SniEndpointOut, **ERRORS})
def change_sni_endpoint(
    request: HttpRequest, app: str, endpoint: str, body: SniEndpointIn
) -> SniEndpointOut:
    """Put another certificate in its place."""
    actor = actor_of(request)
    found = get_app(actor, app, Right.OPERATE)
    row = update_certificate(actor, found, endpoint, body.certificate_chain, body.private_key)
    return _show(found, [row])[0]


@router.delete("/apps/{app}/sni-endpoints/{endpoint}", response={200: SniEndpointOut, **ERRORS})
def delete_sni_endpoint(request: HttpRequest, app: str, endpoint: str) -> SniEndpointOut:
    actor = actor_of(request)
    found = get_app(actor, app, Right.OPERATE)
    return _show(found, [remove_certificate(actor, found, endpoint)])[0]


def _show(app: App, rows: list[OwnCertificate]) -> list[SniEndpointOut]:
    every = list(app.own_certificates.all())
    served: dict[uuid.UUID, list[uuid.UUID]] = {}
    for domain in app.domains.all():
        row = serving(every, domain.hostname)
        if row is not None:
            served.setdefault(row.id, []).append(domain.id)
    return [_one(app, row, served.get(row.id, [])) for row in rows]


def _one(app: App, row: OwnCertificate, domains: list[uuid.UUID]) -> SniEndpointOut:
    leaf = pem.leaf_of(row.chain)
    return SniEndpointOut(
        id=row.id,
        name=row.name,
        display_name=row.name,
        app=AppRef(id=app.id, name=app.name),
        certificate_chain=row.chain,
        ssl_cert=SslCert(
            id=row.id,
            cert_domains=row.hostnames,
            issuer=leaf.issuer.rfc4514_string(),
            subject=leaf.subject.rfc4514_string(),
            is_self_signed=leaf.issuer == leaf.subject,
            starts_at=leaf.not_valid_before_utc,
            expires_at=row.expires_at,
        ),
        domains=domains,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )
