"""Scaling: how many of each process type, and how large."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from django.db import transaction

from apps.accounts.errors import Conflict, NotFound, Refused
from apps.accounts.policy import Actor, Right, require
from apps.catalog.manage import record_app
from apps.catalog.models import App
from apps.formation.events import tell_api
from apps.formation.helm import want_change
from apps.formation.models import Process
from apps.formation.queue import enqueue
from apps.formation.runtime import get_runtime
from apps.formation.sizes import size_named
from apps.formation.spec import ensure_processes, process_types
from apps.releases.queries import current_release

MAX_QUANTITY = 100
_QUANTITY = re.compile(r"([+-]?)([0-9]{1,4})\Z")


@dataclass(frozen=True)
class Update:
    """One wish: `quantity` is "2", "+1" or "-1"; None leaves it."""

    type: str
    quantity: str | None = None
    size: str | None = None


def formation_of(app: App) -> list[Process]:
    """The rows of the process types that the current code has; none before the first deploy."""
    release = current_release(app)
    if release is None or release.build is None:
        return []
    return ensure_processes(app, release.build)


def scale(actor: Actor, app: App, updates: Sequence[Update]) -> list[Process]:
    """Set quantities and sizes, all or none; the runtime follows at once.

    Raises:
        NotFound: a process type the current release does not have.
        Refused: a bad quantity or size, or more than the runtime can run.
        Conflict: somebody else decides how many run.
    """
    require(actor, Right.OPERATE, app)
    known = _known_types(app)
    for update in updates:
        _refuse_foreign(app, update)
    with transaction.atomic():
        rows = {row.type: row for row in Process.objects.filter(app=app, type__in=known)}
        for update in updates:
            if update.type not in rows:
                raise NotFound(_no_such_type(app, update.type, known))
            _apply(rows[update.type], update)
        want_change(app)
    summary = ", ".join(f"{row.type}@{row.quantity}:{row.size}" for row in rows.values())
    record_app(actor, "formation.scale", app, formation=summary)
    tell_api(app, f"Scaled to {summary.replace('@', '=')} by user {actor}")
    enqueue("reconcile", app.id)
    return [rows[name] for name in sorted(rows)]


def _refuse_foreign(app: App, update: Update) -> None:
    """
    Raises:
        Conflict: somebody else decides how many of it run, who is named.
    """
    if update.quantity is None:
        return
    owner = get_runtime().scaled_by(str(app.id), update.type)
    if owner:
        raise Conflict(
            f"How many {update.type} processes run is decided by {owner}, not by paas. Let it go "
            "there first (a field manager gives a field up by applying without it)."
        )


def _apply(row: Process, update: Update) -> None:
    if update.quantity is not None:
        if row.autoscale and update.quantity != "0":
            raise Refused(
                f"{row.type} is autoscaled. Give it a fixed number again with: "
                f"paas ps:autoscale {row.type} off"
            )
        row.quantity = _quantity(row, update.quantity)
    if update.size is not None:
        row.size = size_named(update.size).name
    row.save(update_fields=["quantity", "size", "updated_at"])


def _quantity(row: Process, text: str) -> int:
    match = _QUANTITY.match(text)
    if match is None:
        raise Refused(f"{row.type}: {text!r} is no quantity. Use a number, +1 or -1.")
    sign, digits = match.groups()
    wanted = {"": 0, "+": row.quantity, "-": row.quantity}[sign] + int(digits) * (
        -1 if sign == "-" else 1
    )
    limit = get_runtime().max_quantity(row.type) or MAX_QUANTITY
    if not 0 <= wanted <= limit:
        raise Refused(f"{row.type}={wanted} is not possible: 0 to {limit} can run here.")
    return wanted


def _known_types(app: App) -> list[str]:
    release = current_release(app)
    if release is None or release.build is None:
        raise Refused(
            f"{app.name} has no code yet, so there is nothing to scale. Push it first: "
            f"git push paas {app.deploy_branch}"
        )
    ensure_processes(app, release.build)
    return sorted(process_types(release.build))


def _no_such_type(app: App, name: str, known: Sequence[str]) -> str:
    return (
        f"Couldn't find that process type ({name}). {app.name} has {', '.join(known) or 'none'}; "
        f"the Procfile declares them."
    )
