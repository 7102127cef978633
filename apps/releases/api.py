"""Releases and config vars, as far as they only look."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.http import HttpRequest, HttpResponse
from ninja import Router

from apps.accounts.policy import Actor, Right, require_secrets
from apps.accounts.ranges import Range, RangeHeader, page
from apps.accounts.schemas import ERRORS, Shape, UserRef, actor_of, facts_of
from apps.builds.api import output_url
from apps.catalog.models import App
from apps.catalog.queries import get_app
from apps.releases.create import newest_good, variables_of
from apps.releases.models import UNFINISHED, Release
from apps.releases.queries import get_release, may_return

router = Router(tags=["releases"])


class AppRef(Shape):
    id: uuid.UUID
    name: str


class SlugRef(Shape):
    id: uuid.UUID


class ReleaseOut(Shape):
    """`status` is Heroku's (pending, succeeded, failed); `state` is exact."""

    id: uuid.UUID
    app: AppRef
    version: int
    description: str
    status: str
    state: str
    current: bool
    eligible_for_rollback: bool
    output_stream_url: str | None
    slug: SlugRef | None
    commit: str | None
    user: UserRef | None
    failure: dict[str, Any] | None
    addon_plan_names: list[str] = []
    artifacts: list[dict[str, Any]] = []
    created_at: datetime
    updated_at: datetime


@router.get(
    "/apps/{app}/releases", response={200: list[ReleaseOut], 206: list[ReleaseOut], **ERRORS}
)
def list_releases(request: HttpRequest, app: str, range_: RangeHeader = None) -> HttpResponse:
    """Newest first, unless the range says otherwise."""
    actor = actor_of(request)
    found = get_app(actor, app)
    return page(
        range_,
        Release.objects.filter(app=found).values(*_FACTS),
        lambda release: _shown(release, found, actor),
        by={"version": "version", "id": "id"},
        default=Range("version", descending=True),
    )


@router.get("/apps/{app}/releases/{release}", response={200: ReleaseOut, **ERRORS})
def show_release(request: HttpRequest, app: str, release: str) -> ReleaseOut:
    """One release by id, version ("7", "v7") or "latest"."""
    actor = actor_of(request)
    return show(get_release(get_app(actor, app), release), actor)


@router.get(
    "/apps/{app}/config-vars",
    operation_id="show_config",
    response={200: dict[str, str], **ERRORS},
)
def config_vars(request: HttpRequest, app: str) -> dict[str, str]:
    """What the next release starts from."""
    actor = actor_of(request)
    found = get_app(actor, app, Right.OPERATE)
    require_secrets(actor)
    return variables_of(newest_good(found))


@router.get(
    "/apps/{app}/releases/{release}/config-vars",
    operation_id="show_release_config",
    response={200: dict[str, str], **ERRORS},
)
def release_config_vars(request: HttpRequest, app: str, release: str) -> dict[str, str]:
    actor = actor_of(request)
    found = get_app(actor, app, Right.OPERATE)
    require_secrets(actor)
    return variables_of(get_release(found, release))


def show(release: Release, actor: Actor) -> ReleaseOut:
    """A release as the API gives it to `actor`."""
    return ReleaseOut(**_shown(facts_of(release, _FACTS), release.app, actor))


_FACTS = (
    "id",
    "version",
    "description",
    "state",
    "current",
    "build_id",
    "build__commit",
    "build__artifact",
    "user_id",
    "user__email",
    "failure",
    "created_at",
    "updated_at",
)


def _shown(release: Mapping[str, Any], app: App, actor: Actor) -> dict[str, Any]:
    """What `ReleaseOut` holds, from a release's `_FACTS`."""
    state, build, user = release["state"], release["build_id"], release["user_id"]
    return {
        "id": release["id"],
        "app": {"id": app.id, "name": app.name},
        "version": release["version"],
        "description": release["description"],
        "status": "pending" if state in UNFINISHED else state,
        "state": state,
        "current": release["current"],
        "eligible_for_rollback": may_return(state, release["build__artifact"]),
        "output_stream_url": output_url("release-output", "release", release["id"], actor),
        "slug": {"id": build} if build else None,
        "commit": release["build__commit"],
        "user": {"id": user, "email": release["user__email"]} if user else None,
        "failure": release["failure"],
        "addon_plan_names": [],
        "artifacts": [],
        "created_at": release["created_at"],
        "updated_at": release["updated_at"],
    }
