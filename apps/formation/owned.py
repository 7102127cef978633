"""Certificates that owners bring themselves: added, replaced, removed, and led to the front door.

Which hosts one serves, `served` says.
"""

from __future__ import annotations

import secrets

from django.conf import settings
from django.db import IntegrityError, transaction

from apps.accounts.errors import Conflict, NotFound, Refused
from apps.accounts.policy import Actor, Right, require
from apps.catalog.manage import record_app
from apps.catalog.models import App
from apps.formation import pem
from apps.formation.events import tell_api
from apps.formation.helm import want_change
from apps.formation.models import OwnCertificate
from apps.formation.routing import reroute
from apps.formation.served import KEY, serving
from apps.formation.spec import hosts_of
from apps.releases.vault import seal

MOST = 50


def add_certificate(actor: Actor, app: App, chain: str, key: str) -> OwnCertificate:
    """Let the app's hosts that the chain names be served with it.

    Raises:
        Refused: it cannot serve (see `pem.read`), or none of the app's hosts.
    """
    require(actor, Right.OPERATE, app)
    if app.own_certificates.count() >= MOST:
        raise Refused(f"An app has up to {MOST} certificates. Remove one: paas certs:remove NAME")
    pair = _read(app, chain, key)
    try:
        with transaction.atomic():
            made = OwnCertificate.objects.create(
                app=app, name=f"cert-{secrets.token_hex(4)}", **_fields(pair)
            )
            want_change(app)
            record_app(actor, "certificate.create", app, name=made.name)
    except IntegrityError:
        raise Conflict("It was changed by somebody else just now. Try again.") from None
    return _told(actor, app, made, "Add")


def update_certificate(actor: Actor, app: App, name: str, chain: str, key: str) -> OwnCertificate:
    """Put another pair in the place of one.

    Raises:
        NotFound: the app has no such certificate.
        Refused: as for `add_certificate`.
    """
    require(actor, Right.OPERATE, app)
    row = get_certificate(app, name)
    pair = _read(app, chain, key)
    with transaction.atomic():
        for field, value in _fields(pair).items():
            setattr(row, field, value)
        row.save()
        want_change(app)
        record_app(actor, "certificate.update", app, name=row.name)
    return _told(actor, app, row, "Update")


def remove_certificate(actor: Actor, app: App, name: str) -> OwnCertificate:
    """
    Raises:
        NotFound: the app has no such certificate.
    """
    require(actor, Right.OPERATE, app)
    row = get_certificate(app, name)
    with transaction.atomic():
        OwnCertificate.objects.filter(pk=row.pk).delete()
        want_change(app)
        record_app(actor, "certificate.destroy", app, name=row.name)
    return _told(actor, app, row, "Remove")


def get_certificate(app: App, name_or_id: str) -> OwnCertificate:
    """
    Raises:
        NotFound: the app has no such certificate.
    """
    for row in app.own_certificates.all():
        if name_or_id in (row.name, str(row.id)):
            return row
    raise NotFound(f"Couldn't find that SSL certificate ({name_or_id}). `paas certs` lists them.")


def refuse_uncovered(app: App, name_or_id: str, hostname: str) -> None:
    """
    Raises:
        NotFound: the app has no such certificate.
        Refused: it is not for that host.
    """
    row = get_certificate(app, name_or_id)
    if not pem.covers(row.hostnames, hostname):
        raise Refused(f"{row.name} is for {', '.join(row.hostnames[:5])}, not for {hostname}.")


def refuse_served(app: App, hostname: str) -> None:
    """
    Raises:
        Refused: one of the app's certificates serves that host.
    """
    row = serving(app.own_certificates.all(), hostname)
    if row is not None:
        raise Refused(
            f"{row.name} serves every host it names, {hostname} among them. To end that, remove "
            f"it: paas certs:remove {row.name}"
        )


def _fields(pair: pem.Pair) -> dict[str, object]:
    return {
        "chain": pair.chain,
        "sealed": seal({KEY: pair.key}),
        "hostnames": list(pair.hostnames),
        "expires_at": pair.expires,
    }


def _read(app: App, chain: str, key: str) -> pem.Pair:
    """
    Raises:
        Refused: see `add_certificate`; or this front door serves nobody's certificates.
    """
    pair = pem.read(chain, key)
    instance = settings.INSTANCE
    if instance.ingress is not None and instance.ingress.by_gateway:
        raise Refused(
            "The apps are behind a Gateway (PAAS_GATEWAY), which has the certificates: ask its "
            "operator to give this one to it."
        )
    if instance.ingress is None and not instance.tls:
        raise Refused("HTTPS is off on this server: its operator has to set PAAS_TLS first.")
    _refuse_strange(app, pair)
    return pair


def _refuse_strange(app: App, pair: pem.Pair) -> None:
    hosts = hosts_of(app)
    if not any(pem.covers(pair.hostnames, host) for host in hosts):
        raise Refused(
            f"The certificate is for {', '.join(pair.hostnames[:5])}, and {app.name} answers at "
            f"{', '.join(hosts[:5])}. Add the domain first: paas domains:add {pair.hostnames[0]}"
        )


def _told(actor: Actor, app: App, row: OwnCertificate, word: str) -> OwnCertificate:
    tell_api(app, f"{word} certificate {row.name} by user {actor}")
    reroute(app)
    return row
