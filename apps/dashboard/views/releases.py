"""Releases: the list with what each changed, one with its log, rolling back to one."""

from __future__ import annotations

from itertools import zip_longest

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.urls import reverse

from apps.accounts.errors import Refused
from apps.accounts.policy import Actor, Right
from apps.builds.streaming import follow
from apps.catalog.queries import get_app
from apps.dashboard.entry import actor_of_stream, go, is_refresh, page, show
from apps.dashboard.frame import frame_of
from apps.dashboard.output import events_of, offset_of, output_of
from apps.dashboard.streams import refused, stream
from apps.formation.change import roll_back
from apps.releases.compare import compare
from apps.releases.log import release_log
from apps.releases.models import Release
from apps.releases.queries import current_release, get_release, is_eligible, releases_of

PAGE = 20


@page
def list_releases(request: HttpRequest, actor: Actor, name: str) -> HttpResponse:
    frame = frame_of(actor, name)
    shown = Paginator(releases_of(frame.app), PAGE).get_page(request.GET.get("page"))
    first = PAGE * (shown.number - 1)
    # One more than the page holds, to compare its last with.
    releases = list(releases_of(frame.app)[first : first + PAGE + 1])
    rows = [
        (release, compare(earlier, release), is_eligible(release) and not release.current)
        for release, earlier in zip_longest(releases[:PAGE], releases[1:])
    ]
    return show(request, actor, "releases", frame=frame, tab="releases", rows=rows, shown=shown)


@page
def show_release(request: HttpRequest, actor: Actor, name: str, version: int) -> HttpResponse:
    frame = frame_of(actor, name)
    release = get_release(frame.app, str(version))
    earlier = releases_of(frame.app).filter(version__lt=version).first()
    address = reverse("dashboard:release-events", args=[name, version])
    return show(
        request,
        actor,
        "release",
        frame=frame,
        tab="releases",
        release=release,
        earlier=earlier,
        difference=compare(earlier, release),
        eligible=is_eligible(release) and not release.current,
        output=None if is_refresh(request) else output_of(release_log(release)),
        events="" if release.is_final else address,
    )


@page
def rollback(request: HttpRequest, actor: Actor, name: str, version: int) -> HttpResponse:
    """What would change, and the button; then the new release as it starts."""
    frame = frame_of(actor, name, Right.OPERATE)
    target = get_release(frame.app, str(version))
    if request.method == "POST":
        made = roll_back(actor, frame.app, target)
        notice = f"Rolling back to {target.name}: this is {made.name}."
        return go(request, "release", name, made.version, notice=notice)
    current = current_release(frame.app)
    return show(
        request,
        actor,
        "rollback",
        frame=frame,
        tab="releases",
        target=target,
        current=current,
        difference=compare(current, target),
        eligible=is_eligible(target),
    )


def events(request: HttpRequest, name: str, version: int) -> HttpResponseBase:
    def find() -> Release:
        return get_release(get_app(actor_of_stream(request), name), str(version))

    try:
        release = find()
    except Refused as error:
        return refused(error)
    growing = follow(release_log(release), offset_of(request), final=release.is_final)
    return stream(events_of(growing), find)
