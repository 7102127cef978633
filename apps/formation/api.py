"""What changes or shows what runs: config, rollback, formation, dynos, maintenance, destroy.

Where a room below has begun a path, its router gets the further methods too:
one path is one view, and two routers would answer 405 for each other's.
"""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Annotated, Literal

from django.http import HttpRequest, HttpResponse
from ninja import Body, Router, Status
from pydantic import NonNegativeInt

from apps.accounts.errors import NotFound
from apps.accounts.policy import Right
from apps.accounts.schemas import ERRORS, Shape, actor_of, example
from apps.catalog.api import AppOut
from apps.catalog.api import router as apps_router
from apps.catalog.api import show as show_app
from apps.catalog.models import App
from apps.catalog.queries import get_app
from apps.formation import dynos
from apps.formation.autoscale import autoscale
from apps.formation.change import previous_eligible, roll_back, set_config
from apps.formation.destroy import destroy
from apps.formation.maintenance import set_maintenance
from apps.formation.models import Process
from apps.formation.preview import preview
from apps.formation.rename import rename
from apps.formation.restart import restart
from apps.formation.run import TIME_TO_LIVE, Order, run_attached, run_detached
from apps.formation.scale import Update, formation_of, scale
from apps.formation.spec import process_types
from apps.formation.stop import stop
from apps.releases.api import AppRef, ReleaseOut
from apps.releases.api import router as releases_router
from apps.releases.api import show as show_release
from apps.releases.create import newest_good, variables_of
from apps.releases.queries import current_release, get_release
from paas.runtimes.base import Autoscale, Terminal

router = Router(tags=["formation"])

_SIZE_NAMES = {"COLUMNS", "LINES"}
_MOST_CHARACTERS = 10_000  # in a line of a terminal, or lines of it


class AppPatch(Shape):
    model_config = example(maintenance=True)

    name: str | None = None
    maintenance: bool | None = None


class RollbackIn(Shape):
    """`release`: an id or version; without it the one before the current one."""

    model_config = example(release="v3")

    release: str | None = None


class DynoSize(Shape):
    name: str


class FormationOut(Shape):
    id: uuid.UUID
    app: AppRef
    type: str
    command: str
    quantity: int
    size: str
    dyno_size: DynoSize
    autoscale: AutoscaleIn | None
    created_at: datetime
    updated_at: datetime


class UpdateIn(Shape):
    """`quantity` is a number, or "+1" and "-1" to add and take away."""

    type: str
    quantity: NonNegativeInt | str | None = None
    size: str | None = None


class FormationPatch(Shape):
    model_config = example(
        updates=[{"type": "web", "quantity": 2}, {"type": "worker", "quantity": "+1"}]
    )

    updates: list[UpdateIn]


class QuantityIn(Shape):
    """As `UpdateIn`, for the one process type that the path names."""

    model_config = example(quantity=2, size="standard-2x")

    quantity: NonNegativeInt | str | None = None
    size: str | None = None


class AutoscaleIn(Shape):
    """From `minimum` to `maximum` processes, so that each uses about `cpu` percent of its share."""

    model_config = example(minimum=2, maximum=10, cpu=70)

    minimum: int
    maximum: int
    cpu: int = 70


class PreviewOut(Shape):
    """`changes`: one a line, as "~ Deployment web spec.replicas: 1 → 2"."""

    release: str
    changes: list[str]


class DynoIn(Shape):
    """A one-off. Attached, it gets a terminal unless `force_no_tty`, and waits for its client.

    `env` is added to the app's config; its COLUMNS and LINES are the size of the terminal.
    """

    model_config = example(command="python manage.py migrate", time_to_live=600)

    command: str
    attach: bool | None = None
    size: str | None = None
    type: Literal["run"] | None = None
    env: dict[str, str | int | None] | None = None
    force_no_tty: bool | None = None
    time_to_live: int | None = None

    def order(self) -> Order:
        given = {name: str(value) for name, value in (self.env or {}).items() if value is not None}
        return Order(
            command=self.command,
            size=self.size,
            environment={name: given[name] for name in given.keys() - _SIZE_NAMES},
            time_to_live=TIME_TO_LIVE if self.time_to_live is None else self.time_to_live,
        )

    def terminal(self) -> Terminal | None:
        if self.force_no_tty:
            return None
        columns, lines = ((self.env or {}).get(name) for name in ("COLUMNS", "LINES"))
        default = Terminal()
        return Terminal(_extent(columns, default.columns), _extent(lines, default.lines))


class DynoRelease(Shape):
    id: uuid.UUID | None
    version: int


class DynoOut(Shape):
    id: uuid.UUID
    app: AppRef
    name: str
    type: str
    state: str
    command: str
    size: str
    release: DynoRelease
    attach_url: str | None = None
    restarts: int = 0
    reason: str = ""
    created_at: datetime
    updated_at: datetime


ConfigVarsIn = Annotated[dict[str, str | None], Body(examples=[{"DEBUG": "0", "OLD": None}])]


class Empty(Shape):
    pass


@apps_router.patch("/apps/{app}", response={200: AppOut, **ERRORS})
def update_app(request: HttpRequest, app: str, body: AppPatch) -> AppOut:
    """Rename it, or switch maintenance mode."""
    actor = actor_of(request)
    found = get_app(actor, app)
    if body.name is not None:
        rename(actor, found, body.name)
    if body.maintenance is not None:
        set_maintenance(actor, found, body.maintenance)
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
    request: HttpRequest, response: HttpResponse, app: str, body: ConfigVarsIn
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
    updates = [_update(one.type, one.quantity, one.size) for one in body.updates]
    return _formation(found, scale(actor, found, updates))


@router.get("/apps/{app}/formation/{type}", response={200: FormationOut, **ERRORS})
def show_formation(request: HttpRequest, app: str, type: str) -> FormationOut:  # noqa: A002
    """One process type, by its name or id."""
    found = get_app(actor_of(request), app)
    return _one_of(found, formation_of(found), type)


@router.patch("/apps/{app}/formation/{type}", response={200: FormationOut, **ERRORS})
def update_formation_type(
    request: HttpRequest,
    app: str,
    type: str,  # noqa: A002
    body: QuantityIn,
) -> FormationOut:
    """Scale one process type, by its name or id."""
    actor = actor_of(request)
    found = get_app(actor, app, Right.OPERATE)
    known = _one_of(found, formation_of(found), type)
    rows = scale(actor, found, [_update(known.type, body.quantity, body.size)])
    return _one_of(found, rows, known.type)


@router.put("/apps/{app}/formation/{type}/autoscale", response={200: FormationOut, **ERRORS})
def set_autoscale(
    request: HttpRequest,
    app: str,
    type: str,  # noqa: A002
    body: AutoscaleIn,
) -> FormationOut:
    """Let the load decide how many processes of a type run."""
    return _autoscale(request, app, type, Autoscale(body.minimum, body.maximum, body.cpu))


@router.delete("/apps/{app}/formation/{type}/autoscale", response={200: FormationOut, **ERRORS})
def unset_autoscale(request: HttpRequest, app: str, type: str) -> FormationOut:  # noqa: A002
    """Keep the number of processes that `quantity` says."""
    return _autoscale(request, app, type, None)


@router.get("/apps/{app}/releases/{release}/preview", response={200: PreviewOut, **ERRORS})
def preview_release(request: HttpRequest, app: str, release: str) -> PreviewOut:
    """What this release would change on the cluster; nothing is changed."""
    actor = actor_of(request)
    found = get_app(actor, app, Right.OPERATE)
    wanted = get_release(found, release)
    return PreviewOut(release=wanted.name, changes=preview(actor, found, wanted))


@router.get("/apps/{app}/dynos", response={200: list[DynoOut], **ERRORS})
def list_dynos(request: HttpRequest, app: str) -> list[DynoOut]:
    return [DynoOut(**one) for one in dynos.of(get_app(actor_of(request), app))]


@router.post("/apps/{app}/dynos", operation_id="create_dyno", response={201: DynoOut, **ERRORS})
def run(request: HttpRequest, app: str, body: DynoIn) -> Status[DynoOut]:
    """A one-off process; its output goes to the app's log, or to whoever attaches to it."""
    actor = actor_of(request)
    found = get_app(actor, app, Right.OPERATE)
    if body.attach:
        started = run_attached(actor, found, body.order(), body.terminal())
    else:
        started = run_detached(actor, found, body.order())
    return Status(201, DynoOut(**dynos.starting(found, started)))


@router.get("/apps/{app}/dynos/{dyno}", response={200: DynoOut, **ERRORS})
def show_dyno(request: HttpRequest, app: str, dyno: str) -> DynoOut:
    return DynoOut(**dynos.one(get_app(actor_of(request), app), dyno))


@router.post("/apps/{app}/dynos/{dyno}/actions/stop", response={202: Empty, **ERRORS})
def stop_one(request: HttpRequest, app: str, dyno: str) -> Status[Empty]:
    """Stop a one-off ("run.3"); any other process is started afresh."""
    return _stop(request, app, dyno)


@router.post("/apps/{app}/formations/{type}/actions/stop", response={202: Empty, **ERRORS})
def stop_type(request: HttpRequest, app: str, type: str) -> Status[Empty]:  # noqa: A002
    """All processes of a type are started afresh."""
    return _stop(request, app, type)


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


def _autoscale(
    request: HttpRequest, app: str, type_: str, wanted: Autoscale | None
) -> FormationOut:
    actor = actor_of(request)
    found = get_app(actor, app, Right.OPERATE)
    known = _one_of(found, formation_of(found), type_)
    return _one_of(found, [autoscale(actor, found, known.type, wanted)], known.type)


def _update(type_: str, quantity: int | str | None, size: str | None) -> Update:
    return Update(type_, None if quantity is None else str(quantity), size)


def _one_of(app: App, rows: list[Process], name_or_id: str) -> FormationOut:
    for one in _formation(app, rows):
        if name_or_id in (one.type, str(one.id)):
            return one
    raise NotFound(f"Couldn't find that process type ({name_or_id}). `paas ps:scale` lists them.")


def _stop(request: HttpRequest, app: str, which: str) -> Status[Empty]:
    actor = actor_of(request)
    stop(actor, get_app(actor, app, Right.OPERATE), which)
    return Status(202, Empty())


def _extent(value: str | int | None, default: int) -> int:
    """A number of columns or lines that a terminal can have, else `default`."""
    number = int(str(value)) if str(value).isdecimal() else 0
    return number if 0 < number <= _MOST_CHARACTERS else default


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
            autoscale=AutoscaleIn(**row.autoscale) if row.autoscale else None,
            created_at=row.created_at,
            updated_at=row.updated_at,
        )
        for row in rows
    ]
