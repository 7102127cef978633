"""Restarting processes: a count in the desired state, so that it is carried out exactly once."""

from __future__ import annotations

from django.db import transaction

from apps.accounts.errors import NotFound
from apps.accounts.policy import Actor, Right, require
from apps.catalog.manage import record_app
from apps.catalog.models import App
from apps.formation.events import tell_api
from apps.formation.helm import want_change
from apps.formation.models import Process
from apps.formation.queue import enqueue
from apps.formation.scale import formation_of


def restart(actor: Actor, app: App, which: str | None = None) -> None:
    """Replace processes by fresh ones; web processes without losing a request.

    Args:
        which: None for all, a type ("web") or one process ("web.2").

    Raises:
        NotFound: the app has no such process.
    """
    require(actor, Right.OPERATE, app)
    with transaction.atomic():
        for row, key in _chosen(formation_of(app), which):
            row.restarts = {**row.restarts, key: row.restarts.get(key, 0) + 1}
            row.save(update_fields=["restarts", "updated_at"])
        want_change(app)
    record_app(actor, "formation.restart", app, which=which or "all")
    tell_api(app, f"Restarted {which or 'all processes'} by user {actor}")
    enqueue("reconcile", app.id)


def _chosen(rows: list[Process], which: str | None) -> list[tuple[Process, str]]:
    """Rows with the key to raise: "" for the whole type, "2" for its second process."""
    if which is None:
        return [(row, "") for row in rows]
    for row in rows:
        if which == row.type:
            return [(row, "")]
        number = which.removeprefix(f"{row.type}.")
        if number != which and number.isdecimal() and 1 <= int(number) <= row.quantity:
            return [(row, number)]
    raise NotFound(f"Couldn't find that process ({which}). `paas ps` lists them.")
