"""Autoscaling: how many of a process type run follows their load, where the runtime can do that."""

from __future__ import annotations

from dataclasses import asdict

from django.db import transaction

from apps.accounts.errors import NotFound, Refused
from apps.accounts.policy import Actor, Right, require
from apps.catalog.manage import record_app
from apps.catalog.models import App
from apps.formation.events import tell_api
from apps.formation.helm import want_change
from apps.formation.models import Process
from apps.formation.queue import enqueue
from apps.formation.runtime import get_runtime
from apps.formation.scale import MAX_QUANTITY, formation_of
from paas.runtimes.base import Autoscale

_CPU = range(10, 1001)


def autoscale(actor: Actor, app: App, type_: str, wanted: Autoscale | None) -> Process:
    """Let the load decide how many processes of a type run; None gives that back to `scale`.

    Raises:
        NotFound: the current release has no such process type.
        Refused: the runtime cannot do it, or the bounds make no sense.
    """
    require(actor, Right.OPERATE, app)
    if not get_runtime().autoscales:
        raise Refused(
            "Only a cluster scales by load: on one machine use `paas ps:scale`, or run the panel "
            "with PAAS_RUNTIME=kubernetes."
        )
    if wanted is not None:
        _check(wanted)
    row = next((row for row in formation_of(app) if row.type == type_), None)
    if row is None:
        raise NotFound(f"Couldn't find that process type ({type_}). `paas ps:scale` lists them.")
    with transaction.atomic():
        row.autoscale = asdict(wanted) if wanted else None
        if wanted and not row.quantity:
            row.quantity = wanted.minimum
        row.save(update_fields=["autoscale", "quantity", "updated_at"])
        want_change(app)
    text = f"{wanted.minimum}-{wanted.maximum} at {wanted.cpu} % cpu" if wanted else "off"
    record_app(actor, "formation.autoscale", app, type=type_, autoscale=text)
    tell_api(app, f"Autoscaling of {type_}: {text}, by user {actor}")
    enqueue("reconcile", app.id)
    return row


def _check(wanted: Autoscale) -> None:
    if not 1 <= wanted.minimum <= wanted.maximum <= MAX_QUANTITY:
        raise Refused(
            f"{wanted.minimum}-{wanted.maximum} is no range: from 1 to {MAX_QUANTITY}, the "
            "smaller number first."
        )
    if wanted.cpu not in _CPU:
        raise Refused(f"cpu is in percent of what a process asks for: {_CPU[0]} to {_CPU[-1]}.")
