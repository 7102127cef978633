"""The list of apps, making one, and what one sees first of each."""

from __future__ import annotations

from typing import cast

from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse

from apps.accounts.errors import Refused
from apps.accounts.policy import Actor
from apps.activity.queries import activity_of
from apps.builds.models import Build
from apps.catalog.manage import create_app
from apps.catalog.models import App
from apps.dashboard.entry import go, page, show
from apps.dashboard.frame import frame_of
from apps.formation import dynos
from apps.formation.overview import lines
from apps.formation.scale import formation_of

PAGE = 25
_LATEST = 10


@page
def list_apps(request: HttpRequest, actor: Actor) -> HttpResponse:
    search = request.GET.get("q", "").replace("\0", "").strip()
    apps = App.objects.visible_to(actor)
    if search:
        apps = apps.filter(name__icontains=search)
    shown = Paginator(apps, PAGE).get_page(request.GET.get("page"))
    rows = lines(cast("QuerySet[App]", shown.object_list))
    return show(request, actor, "apps", rows=rows, shown=shown, search=search)


@page
def new_app(request: HttpRequest, actor: Actor) -> HttpResponse:
    if request.method != "POST":
        return show(request, actor, "new_app", branch="main")
    name, branch = request.POST.get("name", "").strip(), request.POST.get("branch", "").strip()
    try:
        app = create_app(actor, name or None, deploy_branch=branch or "main")
    except Refused as error:
        typed = {"name": name, "branch": branch, "problem": error.message}
        return show(request, actor, "new_app", error.status, **typed)
    return go(request, "app", app.name, notice=f"{app.name} is made. Push your code to it.")


@page
def show_app(request: HttpRequest, actor: Actor, name: str) -> HttpResponse:
    frame = frame_of(actor, name)
    latest = Build.objects.filter(app=frame.app).select_related("user")
    return show(
        request,
        actor,
        "overview",
        frame=frame,
        tab="overview",
        processes=dynos.of(frame.app),
        formation=formation_of(frame.app),
        last_build=latest.defer("plan", "phases").first(),
        activity=activity_of(frame.app.id)[:_LATEST],
    )
