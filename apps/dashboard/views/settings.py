"""What concerns an app as a whole: maintenance mode and its end."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse

from apps.accounts.policy import Actor, Right
from apps.catalog.queries import get_app
from apps.dashboard.entry import act, go, page, show
from apps.dashboard.frame import frame_of
from apps.formation.destroy import destroy
from apps.formation.maintenance import set_maintenance


@page
def show_settings(request: HttpRequest, actor: Actor, name: str) -> HttpResponse:
    frame = frame_of(actor, name, Right.OPERATE)
    return show(request, actor, "settings", frame=frame, tab="settings")


@act
def maintenance(request: HttpRequest, actor: Actor, name: str) -> HttpResponse:
    on = request.POST.get("on") == "1"
    set_maintenance(actor, get_app(actor, name, Right.OPERATE), on)
    return go(request, "settings", name, notice=f"Maintenance mode is {'on' if on else 'off'}.")


@act
def destroy_app(request: HttpRequest, actor: Actor, name: str) -> HttpResponse:
    """Only with the name typed out: there is no way back."""
    frame = frame_of(actor, name, Right.OWN)
    if request.POST.get("confirm", "").strip() != frame.app.name:
        problem = f"Nothing was destroyed: type {frame.app.name} to confirm it."
        return show(request, actor, "settings", 422, frame=frame, tab="settings", problem=problem)
    destroy(actor, frame.app)
    return go(request, "apps", notice=f"{name} is destroyed.")
