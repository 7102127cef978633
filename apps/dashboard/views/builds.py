"""Builds: the list, one with its plan, phases and log, the log as it grows, cancelling."""

from __future__ import annotations

import uuid

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.urls import reverse

from apps.accounts.errors import Refused
from apps.accounts.policy import Actor, Right
from apps.builds.cancel import cancel_build
from apps.builds.models import Build
from apps.builds.paths import build_log
from apps.builds.queries import get_build
from apps.builds.streaming import follow
from apps.catalog.queries import get_app
from apps.dashboard.entry import act, actor_of_stream, go, is_refresh, page, show
from apps.dashboard.frame import frame_of
from apps.dashboard.output import events_of, offset_of, output_of
from apps.dashboard.streams import refused, stream

PAGE = 25


@page
def list_builds(request: HttpRequest, actor: Actor, name: str) -> HttpResponse:
    frame = frame_of(actor, name)
    builds = Build.objects.filter(app=frame.app).select_related("user").defer("plan")
    shown = Paginator(builds.prefetch_related("releases"), PAGE).get_page(request.GET.get("page"))
    return show(request, actor, "builds", frame=frame, tab="builds", shown=shown)


@page
def show_build(request: HttpRequest, actor: Actor, name: str, key: uuid.UUID) -> HttpResponse:
    frame = frame_of(actor, name)
    build = get_build(frame.app, str(key))
    return show(
        request,
        actor,
        "build",
        frame=frame,
        tab="builds",
        build=build,
        release=build.releases.order_by("version").first(),
        output=None if is_refresh(request) else output_of(build_log(build)),
        events="" if build.is_final else reverse("dashboard:build-events", args=[name, key]),
    )


@act
def cancel(request: HttpRequest, actor: Actor, name: str, key: uuid.UUID) -> HttpResponse:
    build = get_build(get_app(actor, name, Right.DEPLOY), str(key))
    cancel_build(actor, build)
    return go(request, "build", name, key, notice="The build is being cancelled.")


def events(request: HttpRequest, name: str, key: uuid.UUID) -> HttpResponseBase:
    def find() -> Build:
        return get_build(get_app(actor_of_stream(request), name), str(key))

    try:
        build = find()
    except Refused as error:
        return refused(error)
    growing = follow(build_log(build), offset_of(request), final=build.is_final)
    return stream(events_of(growing), find)
