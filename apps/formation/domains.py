"""Custom domains: host names that lead to an app beside its own.

Names are first come, first served: a name has one owner across the instance,
and whoever adds a taken one is not told whose it is.
"""

from __future__ import annotations

import uuid
from contextlib import suppress

from django.conf import settings
from django.db import IntegrityError, transaction

from apps.accounts.errors import Conflict, NotFound, Refused
from apps.accounts.policy import Actor, Right, require
from apps.catalog import hostnames
from apps.catalog.manage import record_app
from apps.catalog.models import AcmStatus, App, Domain
from apps.formation.events import tell_api
from apps.formation.helm import want_change
from apps.formation.queue import enqueue
from apps.formation.routing import reroute
from paas import faults


def add_domain(actor: Actor, app: App, hostname: str) -> Domain:
    """Let `app` answer at `hostname`, too; it does when this returns.

    Raises:
        Refused: it is no host name, one of the server's own, or taken.
    """
    require(actor, Right.OPERATE, app)
    name = hostnames.normalize(hostname)
    instance = settings.INSTANCE
    hostnames.refuse_ours(name, domain=instance.domain)
    try:
        with transaction.atomic():
            status = AcmStatus.PENDING if instance.certifies else AcmStatus.NONE
            domain = Domain.objects.create(app=app, hostname=name, acm_status=status)
            want_change(app)
            record_app(actor, "domain.create", app, hostname=name)
    except IntegrityError:
        raise _taken(app, name) from None
    faults.point("domain.added")
    tell_api(app, f"Add domain {name} by user {actor}")
    reroute(app)
    enqueue("certificate", domain.id)
    return domain


def remove_domain(actor: Actor, app: App, hostname_or_id: str) -> Domain:
    """Let `app` answer at this name no more, from now on.

    Raises:
        NotFound: the app has no such domain.
    """
    require(actor, Right.OPERATE, app)
    domain = get_domain(app, hostname_or_id)
    _remove(actor, app, [domain])
    return domain


def clear_domains(actor: Actor, app: App) -> list[Domain]:
    """Remove all custom domains of `app`."""
    require(actor, Right.OPERATE, app)
    domains = list(app.domains.order_by("hostname"))
    _remove(actor, app, domains)
    return domains


def get_domain(app: App, hostname_or_id: str) -> Domain:
    """
    Raises:
        NotFound: the app has no such domain.
    """
    key = _key(hostname_or_id)
    found = app.domains.filter(**key).first() if key else None
    if found is None:
        raise NotFound(
            f"Couldn't find that domain name ({hostname_or_id}). `paas domains` lists "
            f"those of {app.name}."
        )
    return found


def _remove(actor: Actor, app: App, domains: list[Domain]) -> None:
    with transaction.atomic():
        for domain in domains:
            if Domain.objects.filter(pk=domain.pk).delete()[0]:
                record_app(actor, "domain.destroy", app, hostname=domain.hostname)
        want_change(app)
    faults.point("domain.removed")
    for domain in domains:
        tell_api(app, f"Remove domain {domain.hostname} by user {actor}")
    reroute(app)


def _key(hostname_or_id: str) -> dict[str, object]:
    """Empty for what cannot be either."""
    with suppress(ValueError):
        return {"id": uuid.UUID(hostname_or_id)}
    with suppress(Refused):
        return {"hostname": hostnames.normalize(hostname_or_id)}
    return {}


def _taken(app: App, name: str) -> Refused:
    """Why the row could not be made: its name is in the table, or its app is gone."""
    holder = Domain.objects.filter(hostname=name).values_list("app_id", flat=True).first()
    if holder is None:
        return Conflict("It was changed by somebody else just now. Try again.")
    if holder == app.id:
        return Refused(f"Domain {name} is already added to this app.")
    return Refused(f"{name} is currently in use by another app. Use another name.")
