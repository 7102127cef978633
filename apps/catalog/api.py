"""Apps, in Heroku's shape."""

from __future__ import annotations

import uuid
from datetime import datetime

from django.conf import settings
from django.http import HttpRequest
from ninja import Router, Schema, Status

from apps.accounts.policy import require_read
from apps.accounts.schemas import ERRORS, UserRef, actor_of
from apps.catalog.manage import create_app
from apps.catalog.models import App
from apps.catalog.queries import get_app

router = Router(tags=["apps"])


class NameRef(Schema):
    id: uuid.UUID | None = None
    name: str


class AppOut(Schema):
    id: uuid.UUID
    name: str
    owner: UserRef
    git_url: str
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


class AppIn(Schema):
    name: str | None = None
    deploy_branch: str = "main"


@router.get("/apps", response={200: list[AppOut], **ERRORS})
def list_apps(request: HttpRequest) -> list[AppOut]:
    actor = actor_of(request)
    require_read(actor)
    apps = App.objects.visible_to(actor).select_related("owner")
    return [show(app) for app in apps]


@router.post("/apps", response={201: AppOut, **ERRORS})
def create(request: HttpRequest, body: AppIn) -> Status[AppOut]:
    app = create_app(actor_of(request), body.name, deploy_branch=body.deploy_branch)
    return Status(201, show(app))


@router.get("/apps/{app}", response={200: AppOut, **ERRORS})
def show_app(request: HttpRequest, app: str) -> AppOut:
    return show(get_app(actor_of(request), app))


def show(app: App) -> AppOut:
    """An app as the API gives it."""
    stack = NameRef(name=settings.BUILDER)
    return AppOut(
        id=app.id,
        name=app.name,
        owner=UserRef(id=app.owner.id, email=app.owner.email),
        git_url=settings.INSTANCE.git_url(app.name),
        web_url=settings.INSTANCE.app_url(app.name),
        maintenance=app.maintenance,
        deploy_branch=app.deploy_branch,
        stack=stack,
        build_stack=stack,
        region=NameRef(name="here"),
        created_at=app.created_at,
        updated_at=app.updated_at,
    )
