"""What changes or shows what runs: config, rollback, formation, dynos, maintenance, destroy.

Where a room below has begun a path, its router gets the further methods too:
one path is one view, and two routers would answer 405 for each other's.
"""

from __future__ import annotations

import uuid
from datetime import datetime

from django.http import HttpRequest, HttpResponse
from ninja import Body, Router, Schema, Status
from pydantic import NonNegativeInt

from apps.accounts.errors import Refused
from apps.accounts.policy import Right
from apps.accounts.schemas import ERRORS, actor_of
from apps.catalog.api import AppOut
from apps.catalog.api import router as apps_router
from apps.catalog.api import show as show_app
from apps.catalog.models import App
from apps.catalog.queries import get_app
from apps.formation import dynos
from apps.formation.change import previous_eligible, roll_back, set_config
from apps.formation.destroy import destroy
from apps.formation.maintenance import set_maintenance
from apps.formation.models import Process
from apps.formation.restart import restart
from apps.formation.run import TIME_TO_LIVE, run_detached
from apps.formation.scale import Update, formation_of, scale
from apps.formation.spec import process_types
from apps.releases.api import AppRef, ReleaseOut
from apps.releases.api import router as releases_router
from apps.releases.api import show as show_release
from apps.releases.create import newest_good, variables_of
from apps.releases.queries import current_release, get_release

router = Router(tags=["formation"])


class AppPatch(Schema):
    maintenance: bool | None = None


class RollbackIn(Schema):
    """`release`: an id or version; without it the one before the current one."""

    release: str | None = None


class DynoSize(Schema):
    name: str


class FormationOut(Schema):
    id: uuid.UUID
    app: AppRef
    type: str
    command: str
    quantity: int
    size: str
    dyno_size: DynoSize
    created_at: datetime
    updated_at: datetime


class UpdateIn(Schema):
    """`quantity` is a number, or "+1" and "-1" to add and take away."""

    type: str
    quantity: NonNegativeInt | str | None = None
    size: str | None = None


class FormationPatch(Schema):
    updates: list[UpdateIn]


class DynoIn(Schema):
    command: str
    attach: bool = False
    size: str | None = None
    type: str | None = None
    time_to_live: int = TIME_TO_LIVE


class DynoRelease(Schema):
    id: uuid.UUID | None
    version: int


class DynoOut(Schema):
    id: uuid.UUID
    app: AppRef
    name: str
    type: str
    state: str
    command: str
    size: str
    release: DynoRelease
    attach_url: None = None
    restarts: int = 0
    reason: str = ""
    created_at: datetime
    updated_at: datetime


class Empty(Schema):
    pass


@apps_router.patch("/apps/{app}", response={200: AppOut, **ERRORS})
def update_app(request: HttpRequest, app: str, body: AppPatch) -> AppOut:
    found = get_app(actor_of(request), app)
    if body.maintenance is not None:
        set_maintenance(actor_of(request), found, body.maintenance)
    return show_app(found)


@apps_router.delete("/apps/{app}", response={200: AppOut, **ERRORS})
def destroy_app(request: HttpRequest, app: str) -> AppOut:
    actor = actor_of(request)
    found = get_app(actor, app, Right.OWN)
    shown = show_app(found)
    destroy(actor, found)
    return shown


@releases_router.patch("/apps/{app}/config-vars", response={200: dict[str, str], **ERRORS})
def change_config(
    request: HttpRequest, response: HttpResponse, app: str, body: Body[dict[str, str | None]]
) -> dict[str, str]:
    """All changes make one release, named by the header `Paas-Release`; null unsets."""
    actor = actor_of(request)
    found = get_app(actor, app, Right.OPERATE)
    release = set_config(actor, found, body)
    if release is not None:
        response["Paas-Release"] = str(release.version)
        return variables_of(release)
    return variables_of(newest_good(found))


@releases_router.post("/apps/{app}/releases", response={201: ReleaseOut, **ERRORS})
def create_release(request: HttpRequest, app: str, body: RollbackIn) -> Status[ReleaseOut]:
    """Roll back: a new release with the code and config of an earlier one."""
    actor = actor_of(request)
    found = get_app(actor, app, Right.OPERATE)
    target = get_release(found, body.release) if body.release else previous_eligible(found)
    return Status(201, show_release(roll_back(actor, found, target), actor))


@router.get("/apps/{app}/formation", response={200: list[FormationOut], **ERRORS})
def list_formation(request: HttpRequest, app: str) -> list[FormationOut]:
    found = get_app(actor_of(request), app)
    return _formation(found, formation_of(found))


@router.patch("/apps/{app}/formation", response={200: list[FormationOut], **ERRORS})
def update_formation(request: HttpRequest, app: str, body: FormationPatch) -> list[FormationOut]:
    actor = actor_of(request)
    found = get_app(actor, app, Right.OPERATE)
    updates = [
        Update(one.type, None if one.quantity is None else str(one.quantity), one.size)
        for one in body.updates
    ]
    return _formation(found, scale(actor, found, updates))


@router.get("/apps/{app}/dynos", response={200: list[DynoOut], **ERRORS})
def list_dynos(request: HttpRequest, app: str) -> list[DynoOut]:
    return [DynoOut(**one) for one in dynos.of(get_app(actor_of(request), app))]


@router.post("/apps/{app}/dynos", response={201: DynoOut, **ERRORS})
def run(request: HttpRequest, app: str, body: DynoIn) -> Status[DynoOut]:
    """A one-off process, detached: its output goes to the app's log."""
    actor = actor_of(request)
    found = get_app(actor, app, Right.OPERATE)
    if body.attach:
        raise Refused("Attached one-offs are not offered yet. Use run:detached and the logs.")
    name, release = run_detached(actor, found, body.command, time_to_live=body.time_to_live)
    return Status(201, DynoOut(**dynos.starting(found, name, body.command, release)))


@router.delete("/apps/{app}/dynos", response={202: Empty, **ERRORS})
def restart_all(request: HttpRequest, app: str) -> Status[Empty]:
    return _restart(request, app, None)


@router.delete("/apps/{app}/dynos/{dyno}", response={202: Empty, **ERRORS})
def restart_one(request: HttpRequest, app: str, dyno: str) -> Status[Empty]:
    """Restart one process ("web.1")."""
    return _restart(request, app, dyno)


@router.delete("/apps/{app}/formations/{type}", response={202: Empty, **ERRORS})
def restart_type(request: HttpRequest, app: str, type: str) -> Status[Empty]:  # noqa: A002
    """Restart all processes of a type."""
    return _restart(request, app, type)


def _restart(request: HttpRequest, app: str, which: str | None) -> Status[Empty]:
    actor = actor_of(request)
    restart(actor, get_app(actor, app, Right.OPERATE), which)
    return Status(202, Empty())


def _formation(app: App, rows: list[Process]) -> list[FormationOut]:
    release = current_release(app)
    commands = process_types(release.build) if release and release.build else {}
    return [
        FormationOut(
            id=row.id,
            app=AppRef(id=app.id, name=app.name),
            type=row.type,
            command=commands.get(row.type, ""),
            quantity=row.quantity,
            size=row.size,
            dyno_size=DynoSize(name=row.size),
            created_at=row.created_at,
            updated_at=row.updated_at,
        )
        for row in rows
    ]
