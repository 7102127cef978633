"""The processes of an app as the API shows them."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any

from apps.catalog.models import App
from apps.formation.runtime import get_runtime
from apps.formation.scale import formation_of
from apps.releases.models import Release
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


def starting(app: App, name: str, command: str, release: Release) -> dict[str, Any]:
    """A one-off that has just been asked for."""
    now = datetime.now(UTC)
    return _entry(app, name, name.partition(".")[0], "starting", now) | {
        "command": command,
        "release": {"id": release.id, "version": release.version},
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
    now = datetime.now(UTC)
    return [
        _entry(app, f"{row.type}.{number}", row.type, "down", now) | {"size": row.size}
        for row in formation_of(app)
        for number in range(1, row.quantity + 1)
        if f"{row.type}.{number}" not in there
    ]


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
