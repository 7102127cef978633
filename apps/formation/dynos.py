"""The processes of an app as the API shows them."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any

from apps.accounts.errors import NotFound
from apps.catalog.models import App
from apps.formation.models import Helm
from apps.formation.run import Started
from apps.formation.runtime import get_runtime
from apps.formation.scale import formation_of
from apps.releases.queries import releases_of
from paas.runtimes.base import ProcessStatus

_NAMESPACE = uuid.UUID("6a3c1f0e-8a3e-4f0b-9d5e-2f2a6f3b9b11")


def of(app: App) -> list[dict[str, Any]]:
    """What runs, and what should run but is not there, as `down`."""
    observed = get_runtime().observe(str(app.id))
    versions = {status.release for status in observed}
    ids = dict(releases_of(app).filter(version__in=versions).values_list("version", "id"))
    shown = [_show(app, status, ids) for status in observed]
    return sorted([*shown, *_missing(app, observed)], key=_order)


def one(app: App, name_or_id: str) -> dict[str, Any]:
    """The process of that name ("web.1") or id.

    Raises:
        NotFound: there is none.
    """
    for entry in of(app):
        if name_or_id in (entry["name"], str(entry["id"])):
            return entry
    raise NotFound(f"Couldn't find that process ({name_or_id}). `paas ps` lists them.")


def starting(app: App, started: Started) -> dict[str, Any]:
    """A one-off that has just been asked for."""
    now = datetime.now(UTC)
    return _entry(app, started.name, "run", "starting", now) | {
        "command": started.command,
        "size": started.size,
        "release": {"id": started.release.id, "version": started.release.version},
        "attach_url": started.attach_url,
    }


def _show(app: App, status: ProcessStatus, ids: dict[int, uuid.UUID]) -> dict[str, Any]:
    return _entry(app, status.name, status.type, str(status.state), status.since) | {
        "command": status.command,
        "size": status.size,
        "release": {"id": ids.get(status.release), "version": status.release},
        "restarts": status.restarts,
        "reason": status.reason,
    }


def _missing(app: App, observed: list[ProcessStatus]) -> list[dict[str, Any]]:
    there = {status.name for status in observed}
    trouble = _trouble(app)
    now = datetime.now(UTC)
    return [
        _entry(app, name, row.type, "crashed" if name in trouble else "down", now)
        | {"size": row.size, "reason": trouble.get(name, "")}
        for row in formation_of(app)
        for number in range(1, row.quantity + 1)
        if (name := f"{row.type}.{number}") not in there
    ]


def _trouble(app: App) -> dict[str, str]:
    """The process that kept the last reconcile from its end, and why."""
    trouble = Helm.objects.filter(app=app).values_list("trouble", flat=True).first()
    return {trouble["process"]: trouble["reason"]} if trouble else {}


def _entry(app: App, name: str, kind: str, state: str, since: datetime) -> dict[str, Any]:
    return {
        "id": uuid.uuid5(_NAMESPACE, f"{app.id}/{name}/{since.isoformat()}"),
        "app": {"id": app.id, "name": app.name},
        "name": name,
        "type": kind,
        "state": state,
        "command": "",
        "size": "standard",
        "release": {"id": None, "version": 0},
        "created_at": since,
        "updated_at": since,
    }


def _order(entry: dict[str, Any]) -> tuple[str, int]:
    kind, _, number = str(entry["name"]).rpartition(".")
    return kind, int(number) if number.isdecimal() else 0
