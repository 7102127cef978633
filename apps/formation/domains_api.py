"""Custom domains, in Heroku's shape; the app's own name is the one of kind `heroku`."""

from __future__ import annotations

import uuid
from datetime import datetime

from django.conf import settings
from django.http import HttpRequest
from ninja import Router, Status

from apps.accounts.policy import Right
from apps.accounts.schemas import ERRORS, Shape, actor_of, example
from apps.catalog.models import App, Domain
from apps.catalog.queries import get_app
from apps.formation.domains import (
    add_domain,
    clear_domains,
    get_domain,
    remove_domain,
)
from apps.formation.models import OwnCertificate
from apps.formation.owned import refuse_served, refuse_uncovered
from apps.formation.runtime import get_runtime
from apps.formation.served import serving
from apps.releases.api import AppRef
from apps.releases.queries import current_release

router = Router(tags=["domains"])

_OWN_NAMES = uuid.UUID("0d5f1f54-8a5b-4c6c-9a52-4f5d3f1c7a0e")


class DomainOut(Shape):
    """`cname` is where the DNS should point; `status` is whether the front door leads here."""

    id: uuid.UUID
    app: AppRef
    hostname: str
    kind: str
    cname: str | None
    status: str
    acm_status: str | None
    acm_status_reason: str | None
    sni_endpoint: EndpointRef | None
    created_at: datetime
    updated_at: datetime


class EndpointRef(Shape):
    """The owner's certificate that a domain is served with."""

    id: uuid.UUID
    name: str


class DomainIn(Shape):
    """`sni_endpoint`, if not null, names a certificate that covers the host name already."""

    model_config = example(hostname="www.example.org")

    hostname: str
    sni_endpoint: str | None = None


class DomainPatch(Shape):
    """Heroku's clients say so after an upload; here a certificate serves what it covers anyway."""

    model_config = example(sni_endpoint="cert-1a2b3c4d")

    sni_endpoint: str | None


@router.get("/apps/{app}/domains", response={200: list[DomainOut], **ERRORS})
def list_domains(request: HttpRequest, app: str) -> list[DomainOut]:
    found = get_app(actor_of(request), app)
    return [_show_own(found), *_show(found, list(found.domains.order_by("hostname")))]


@router.post("/apps/{app}/domains", response={201: DomainOut, **ERRORS})
def create_domain(request: HttpRequest, app: str, body: DomainIn) -> Status[DomainOut]:
    actor = actor_of(request)
    found = get_app(actor, app, Right.OPERATE)
    if body.sni_endpoint is not None:
        refuse_uncovered(found, body.sni_endpoint, body.hostname)
    return Status(201, _show(found, [add_domain(actor, found, body.hostname)])[0])


@router.delete("/apps/{app}/domains", response={200: list[DomainOut], **ERRORS})
def delete_domains(request: HttpRequest, app: str) -> list[DomainOut]:
    """Remove all custom domains."""
    actor = actor_of(request)
    found = get_app(actor, app, Right.OPERATE)
    return _show(found, clear_domains(actor, found))


@router.get("/apps/{app}/domains/{domain}", response={200: DomainOut, **ERRORS})
def show_domain(request: HttpRequest, app: str, domain: str) -> DomainOut:
    found = get_app(actor_of(request), app)
    own = _show_own(found)
    if domain in (own.hostname, str(own.id)):
        return own
    return _show(found, [get_domain(found, domain)])[0]


@router.patch("/apps/{app}/domains/{domain}", response={200: DomainOut, **ERRORS})
def change_domain(request: HttpRequest, app: str, domain: str, body: DomainPatch) -> DomainOut:
    """Say which certificate serves it: that it covers the name is looked at, nothing is changed."""
    found = get_app(actor_of(request), app, Right.OPERATE)
    row = get_domain(found, domain)
    if body.sni_endpoint is None:
        refuse_served(found, row.hostname)
    else:
        refuse_uncovered(found, body.sni_endpoint, row.hostname)
    return _show(found, [row])[0]


@router.delete("/apps/{app}/domains/{domain}", response={200: DomainOut, **ERRORS})
def delete_domain(request: HttpRequest, app: str, domain: str) -> DomainOut:
    actor = actor_of(request)
    found = get_app(actor, app, Right.OPERATE)
    return _show(found, [remove_domain(actor, found, domain)])[0]


def _show_own(app: App) -> DomainOut:
    """The name that every app has by itself."""
    own = settings.INSTANCE.app_host(app.name)
    return DomainOut(
        id=uuid.uuid5(_OWN_NAMES, str(app.id)),
        app=AppRef(id=app.id, name=app.name),
        hostname=own,
        kind="heroku",
        cname=None,
        status="none",
        acm_status=None,
        acm_status_reason=None,
        sni_endpoint=_endpoint(list(app.own_certificates.all()), own),
        created_at=app.created_at,
        updated_at=app.updated_at,
    )


def _show(app: App, domains: list[Domain]) -> list[DomainOut]:
    routed = get_runtime().routes().hosts if domains else {}
    live = bool(domains) and current_release(app) is not None
    tls = settings.INSTANCE.certifies
    certificates = list(app.own_certificates.all()) if domains else []
    return [
        DomainOut(
            id=domain.id,
            app=AppRef(id=app.id, name=app.name),
            hostname=domain.hostname,
            kind="custom",
            cname=settings.INSTANCE.app_host(app.name),
            status=_status(live, routed.get(domain.hostname) == str(app.id)),
            acm_status=(tls and domain.acm_status) or None,
            acm_status_reason=(tls and domain.acm_status_reason) or None,
            sni_endpoint=_endpoint(certificates, domain.hostname),
            created_at=domain.created_at,
            updated_at=domain.updated_at,
        )
        for domain in domains
    ]


def _endpoint(certificates: list[OwnCertificate], hostname: str) -> EndpointRef | None:
    row = serving(certificates, hostname)
    return EndpointRef(id=row.id, name=row.name) if row else None


def _status(live: bool, routed: bool) -> str:
    """Before the first deploy there is nothing a name could lead to."""
    if not live:
        return "none"
    return "succeeded" if routed else "pending"
