"""Maintenance mode: the front door answers 503, the processes go on."""

from __future__ import annotations

from django.db import transaction

from apps.accounts.policy import Actor, Right, require
from apps.catalog.manage import record_app
from apps.catalog.models import App
from apps.formation.events import tell_api
from apps.formation.helm import want_change
from apps.formation.routing import reroute


def set_maintenance(actor: Actor, app: App, on: bool) -> None:
    """Switch maintenance mode; switching it to what it is does nothing."""
    require(actor, Right.OPERATE, app)
    with transaction.atomic():
        if not App.objects.filter(pk=app.pk, maintenance=not on).update(maintenance=on):
            return
        want_change(app)
    app.maintenance = on
    word = "on" if on else "off"
    record_app(actor, f"maintenance.{word}", app)
    tell_api(app, f"Maintenance mode {word} by user {actor}")
    reroute(app)
