"""Processes: what should run, what does, scaling and restarting."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse

from apps.accounts.errors import NotFound, Refused
from apps.accounts.policy import Actor, Right
from apps.catalog.queries import get_app
from apps.dashboard.entry import act, go, page, show
from apps.dashboard.frame import frame_of
from apps.formation import dynos
from apps.formation.restart import restart
from apps.formation.scale import Update, formation_of, scale
from apps.formation.sizes import SIZES
from apps.formation.spec import process_types


@page
def show_processes(request: HttpRequest, actor: Actor, name: str) -> HttpResponse:
    return _show(request, actor, name)


@act
def scale_type(request: HttpRequest, actor: Actor, name: str) -> HttpResponse:
    """One type at a time: what somebody else has set meanwhile elsewhere stays."""
    app = get_app(actor, name, Right.OPERATE)
    update = Update(
        request.POST.get("type", ""), request.POST.get("quantity"), request.POST.get("size")
    )
    try:
        scale(actor, app, [update])
    except (Refused, NotFound) as error:
        return _show(request, actor, name, problem=error.message)
    return go(request, "processes", name, notice=f"Scaled {update.type} to {update.quantity}.")


@act
def restart_some(request: HttpRequest, actor: Actor, name: str) -> HttpResponse:
    """All, a type, or one process."""
    which = request.POST.get("which") or None
    restart(actor, get_app(actor, name, Right.OPERATE), which)
    return go(request, "processes", name, notice=f"Restarting {which or 'all processes'}.")


def _show(request: HttpRequest, actor: Actor, name: str, problem: str = "") -> HttpResponse:
    frame = frame_of(actor, name)
    release = frame.overview.release
    commands = process_types(release.build) if release and release.build else {}
    return show(
        request,
        actor,
        "processes",
        422 if problem else 200,
        frame=frame,
        tab="processes",
        formation=[(row, commands.get(row.type, "")) for row in formation_of(frame.app)],
        processes=dynos.of(frame.app),
        sizes=SIZES.values(),
        problem=problem,
    )
