"""Apps, in Heroku's shape."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from ninja import Router, Status

from apps.accounts.errors import NotFound
from apps.accounts.policy import require_read
from apps.accounts.ranges import Range, RangeHeader, page
from apps.accounts.schemas import ERRORS, Shape, UserRef, actor_of, example, facts_of
from apps.catalog.manage import create_app
from apps.catalog.models import App
from apps.catalog.queries import get_app
from paas.columns import UtcText, UuidText

router = Router(tags=["apps"])

REGION = "here"
"""An instance is one place; Heroku's clients want a name for it."""


class NameRef(Shape):
    id: uuid.UUID | None = None
    name: str


class AppOut(Shape):
    id: uuid.UUID
    name: str
    owner: UserRef
    git_url: str
    ssh_git_url: str
    web_url: str
    maintenance: bool
    deploy_branch: str
    stack: NameRef
    build_stack: NameRef
    region: NameRef
    acm: bool = False
    space: None = None
    team: None = None
    organization: None = None
    archived_at: None = None
    buildpack_provided_description: None = None
    repo_size: int | None = None
    slug_size: int | None = None
    internal_routing: bool | None = None
    created_at: datetime
    updated_at: datetime
    released_at: datetime | None = None


class AppIn(Shape):
    """Without a name it gets one. `stack` and `region` of Heroku's clients change nothing here."""

    model_config = example(name="hello")

    name: str | None = None
    deploy_branch: str = "main"


@router.get("/apps", response={200: list[AppOut], 206: list[AppOut], **ERRORS})
def list_apps(request: HttpRequest, range_: RangeHeader = None) -> HttpResponse:
    """All apps one may see; for an admin that is every app."""
    actor = actor_of(request)
    require_read(actor)
    return _page(range_, App.objects.visible_to(actor))


@router.get("/users/{user}/apps", response={200: list[AppOut], 206: list[AppOut], **ERRORS})
def list_apps_of(request: HttpRequest, user: str, range_: RangeHeader = None) -> HttpResponse:
    """The apps one owns or works on. `user` is one's own id or e-mail address, or `~`."""
    actor = actor_of(request)
    require_read(actor)
    if user not in ("~", str(actor.user.id), actor.user.email):
        raise NotFound("Couldn't find that user.")
    return _page(range_, App.objects.of_user(actor))


@router.post("/apps", operation_id="create_app", response={201: AppOut, **ERRORS})
def create(request: HttpRequest, body: AppIn) -> Status[AppOut]:
    app = create_app(actor_of(request), body.name, deploy_branch=body.deploy_branch)
    return Status(201, show(app))


@router.get("/apps/{app}", response={200: AppOut, **ERRORS})
def show_app(request: HttpRequest, app: str) -> AppOut:
    return show(get_app(actor_of(request), app))


def _page(asked: str | None, apps: QuerySet[App]) -> HttpResponse:
    same = _same()
    return page(
        asked,
        apps.values(*_FACTS, **_TEXTS),
        lambda app: _shown(app, same),
        by={"name": "name", "id": "id"},
        default=Range("name"),
    )


def show(app: App) -> AppOut:
    """An app as the API gives it."""
    texts = {"owner_text": app.owner_id, "created": app.created_at, "updated": app.updated_at}
    return AppOut(**_shown({**facts_of(app, _FACTS), **texts}, _same()))


_FACTS = ("id", "name", "owner__email", "deploy_branch", "maintenance")
_TEXTS = {
    "owner_text": UuidText("owner_id"),
    "created": UtcText("created_at"),
    "updated": UtcText("updated_at"),
}


def _shown(app: Mapping[str, Any], same: Mapping[str, Any]) -> dict[str, Any]:
    """What `AppOut` holds, from an app's `_FACTS` and `_TEXTS` and what is the `_same` for all."""
    instance, name = settings.INSTANCE, app["name"]
    return {
        "id": app["id"],
        "name": name,
        "owner": {"id": app["owner_text"], "email": app["owner__email"]},
        "git_url": instance.git_url(name),
        "ssh_git_url": instance.ssh_git_url(name),
        "web_url": instance.app_url(name),
        "maintenance": app["maintenance"],
        "deploy_branch": app["deploy_branch"],
        "created_at": app["created"],
        "updated_at": app["updated"],
        **same,
    }


def _same() -> dict[str, Any]:
    """What is the same for every app of an instance."""
    stack = {"id": None, "name": settings.BUILDER}
    return {
        "stack": stack,
        "build_stack": stack,
        "region": {"id": None, "name": REGION},
        "acm": settings.INSTANCE.certifies,
        **_ABSENT,
    }


_ABSENT = dict.fromkeys(
    (
        "space",
        "team",
        "organization",
        "archived_at",
        "buildpack_provided_description",
        "repo_size",
        "slug_size",
        "internal_routing",
        "released_at",
    )
)
"""What Heroku's clients look for and no app has here."""
