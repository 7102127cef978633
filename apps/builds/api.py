"""Builds, in Heroku's shape, with plan, phases and artifact beside it."""

from __future__ import annotations

import uuid
from dataclasses import asdict
from datetime import datetime
from functools import cache
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from ninja import Router

from apps.accounts.policy import Actor, Right
from apps.accounts.ranges import Range, RangeHeader, page
from apps.accounts.schemas import ERRORS, Shape, UserRef, actor_of
from apps.builds.cancel import cancel_build
from apps.builds.comparison import compare_builds
from apps.builds.models import ACTIVE, Build, BuildState
from apps.builds.queries import get_build
from apps.builds.tickets import ticket_for
from apps.builds.verification import verify_build
from apps.catalog.queries import get_app

router = Router(tags=["builds"])


class Ref(Shape):
    id: uuid.UUID


class SourceBlob(Shape):
    checksum: str | None = None
    url: str = ""
    version: str
    version_description: str


class BuildOut(Shape):
    """`status` is Heroku's (pending, succeeded, failed); `state` is exact."""

    id: uuid.UUID
    app: Ref
    status: str
    state: str
    source_blob: SourceBlob
    output_stream_url: str
    release: Ref | None
    release_version: int | None
    slug: Ref | None
    stack: str
    buildpacks: None = None
    user: UserRef | None
    failure: dict[str, Any] | None
    created_at: datetime
    updated_at: datetime
    finished_at: datetime | None


class BuildDetails(BuildOut):
    plan: dict[str, Any] | None
    phases: list[dict[str, Any]]
    artifact: dict[str, Any] | None


class PackageChangeOut(Shape):
    """A package whose store paths differ. Versions are empty where it has none or is not there.

    Sizes in bytes.
    """

    name: str
    before: list[str]
    after: list[str]
    size_before: int
    size_after: int


class DifferenceOut(Shape):
    """`new` is what a node that has the first needs for the second; sizes in bytes."""

    changes: list[PackageChangeOut]
    size_before: int
    size_after: int
    new: int


class RebuiltOut(Shape):
    """A store path that was built again in `seconds`, and whether nothing differed."""

    name: str
    path: str
    same: bool
    seconds: float


@router.get("/apps/{app}/builds", response={200: list[BuildOut], 206: list[BuildOut], **ERRORS})
def list_builds(request: HttpRequest, app: str, range_: RangeHeader = None) -> HttpResponse:
    """Newest first, unless the range says otherwise."""
    actor = actor_of(request)
    found = get_app(actor, app)
    builds = Build.objects.filter(app=found).select_related("user").prefetch_related("releases")
    return page(
        range_,
        builds,
        lambda build: BuildOut(**show(build, actor)),
        by={"created_at": "created_at", "id": "id"},
        default=Range("created_at", descending=True),
    )


@router.get("/apps/{app}/builds/{build}", response={200: BuildDetails, **ERRORS})
def show_build(request: HttpRequest, app: str, build: str) -> BuildDetails:
    """One build by id, by the beginning of its id, by a release ("v7"), or "latest"."""
    actor = actor_of(request)
    return details(get_build(get_app(actor, app), build), actor)


@router.delete(
    "/apps/{app}/builds/{build}",
    operation_id="cancel_build",
    response={200: BuildDetails, **ERRORS},
)
def cancel(request: HttpRequest, app: str, build: str) -> BuildDetails:
    """Cancel a build that is going on; its processes are killed within a second."""
    actor = actor_of(request)
    found = get_build(get_app(actor, app, Right.DEPLOY), build)
    return details(cancel_build(actor, found), actor)


@router.get(
    "/apps/{app}/builds/{build}/difference/{other}", response={200: DifferenceOut, **ERRORS}
)
def compare_two_builds(request: HttpRequest, app: str, build: str, other: str) -> DifferenceOut:
    """What the closure of the build `other` has that this one's has not, and the other way round.

    Both are named as in `show_build`.
    """
    found = get_app(actor_of(request), app)
    made = compare_builds(get_build(found, build), get_build(found, other))
    return DifferenceOut.model_validate(asdict(made))


@router.post(
    "/apps/{app}/builds/{build}/actions/verify",
    operation_id="verify_build",
    response={200: list[RebuiltOut], **ERRORS},
)
def verify(request: HttpRequest, app: str, build: str) -> list[RebuiltOut]:
    """Build by Nix what is the app's own of a build again and compare; takes as long as that."""
    found = get_build(get_app(actor_of(request), app, Right.DEPLOY), build)
    return [RebuiltOut.model_validate(asdict(one)) for one in verify_build(found)]


def details(build: Build, actor: Actor) -> BuildDetails:
    return BuildDetails(
        **show(build, actor), plan=build.plan, phases=build.phases, artifact=_public(build.artifact)
    )


def show(build: Build, actor: Actor) -> dict[str, Any]:
    """A build as the API gives it to `actor`."""
    made = max(build.releases.all(), key=lambda release: release.version, default=None)
    return {
        "id": build.id,
        "app": Ref(id=build.app_id),
        "status": _heroku_status(build.state),
        "state": build.state,
        "source_blob": SourceBlob(version=build.commit, version_description=build.message),
        "output_stream_url": output_url("build-output", "build", build.id, actor),
        "release": Ref(id=made.id) if made else None,
        "release_version": made.version if made else None,
        "slug": Ref(id=build.id) if build.artifact else None,
        "stack": settings.BUILDER,
        "user": UserRef(id=build.user.id, email=build.user.email) if build.user else None,
        "failure": build.failure,
        "created_at": build.created_at,
        "updated_at": build.updated_at,
        "finished_at": build.finished_at,
    }


def output_url(route: str, kind: str, key: uuid.UUID, actor: Actor) -> str:
    """An address of a log that works without a token for a day, while `actor` may see it."""
    before, after = _around(route)
    return f"{settings.INSTANCE.origin}{before}{ticket_for(kind, key, actor)}{after}"


@cache
def _around(route: str) -> tuple[str, str]:
    """The route's path before and after the ticket: finding it is most of the work for a list."""
    before, _, after = reverse(route, args=["ticket"]).rpartition("ticket")
    return before, after


def _heroku_status(state: str) -> str:
    if state in ACTIVE:
        return "pending"
    return "succeeded" if state == BuildState.SUCCEEDED else "failed"


def _public(artifact: dict[str, Any] | None) -> dict[str, Any] | None:
    """Digest and kind; where it lies on the machine is nobody's business.

    A store path is no place on a machine but a name: it is the same everywhere.
    """
    if artifact is None:
        return None
    shown = ["kind", "digest"]
    if artifact["kind"] == "nix":
        shown += ["path", "image", "steps"]
    return {key: artifact.get(key) for key in shown}
