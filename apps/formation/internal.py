"""What the gateway asks the panel. Caddy never passes these paths, and a token guards them."""

from __future__ import annotations

import secrets
import uuid

from django.conf import settings
from django.http import HttpRequest
from ninja import Router, Status
from ninja.security import HttpBearer

from apps.accounts import ssh_keys
from apps.accounts.auth import actor_for_token
from apps.accounts.errors import NotFound, Unauthorized
from apps.accounts.models import User
from apps.accounts.policy import Actor
from apps.accounts.schemas import ERRORS, Shape
from apps.catalog.models import App
from apps.catalog.watching import Reader
from apps.formation import pushes
from apps.formation.run import may_go_on, note_end
from apps.source.repositories import archive_path


class InternalAuth(HttpBearer):
    """The token that the panel's parts share; a file in `keys/` only its owner reads."""

    def authenticate(self, request: HttpRequest, token: str) -> bool:
        return secrets.compare_digest(token.encode(), settings.INTERNAL_TOKEN.encode())


router = Router(tags=["internal"], auth=InternalAuth())


class KeyIn(Shape):
    fingerprint: str


class KeyOwnerOut(Shape):
    user: str


class AccessIn(Shape):
    """With a token, or with the fingerprint of a key that the client has proven to hold."""

    app: str
    service: str
    token: str = ""
    fingerprint: str = ""


class AccessOut(Shape):
    app_id: uuid.UUID
    app: str
    user_id: uuid.UUID
    user: str
    repository: str
    deploy_branch: str


class PushIn(Shape):
    app_id: uuid.UUID
    user_id: uuid.UUID
    commit: str
    message: str = ""
    branch: str


class PushOut(Shape):
    build_id: uuid.UUID
    archive: str
    notices: list[str]


class LiveOut(Shape):
    live: str
    url: str
    notices: list[str]


class AbandonIn(Shape):
    reason: str


class EndIn(Shape):
    delivered: bool


class RunIn(Shape):
    """An attached one-off's app, and who has started it, with which token."""

    app_id: uuid.UUID
    user: uuid.UUID
    authorization: uuid.UUID | None


class PermittedOut(Shape):
    permitted: bool


class RunEndIn(Shape):
    app_id: uuid.UUID
    name: str
    status: int | None


class Done(Shape):
    ok: bool = True


@router.post("/git/keys", response={200: KeyOwnerOut, **ERRORS}, include_in_schema=False)
def key_owner(request: HttpRequest, body: KeyIn) -> KeyOwnerOut:
    return KeyOwnerOut(user=str(_owner(body.fingerprint)))


@router.post("/git/access", response={200: AccessOut, **ERRORS}, include_in_schema=False)
def access(request: HttpRequest, body: AccessIn) -> AccessOut:
    actor = _holder(body.fingerprint) if body.fingerprint else _bearer(body.token)
    granted = pushes.access(actor, body.app, body.service)
    return AccessOut(
        app_id=granted.app.id,
        app=granted.app.name,
        user_id=granted.user.id,
        user=granted.user.email,
        repository=granted.repository,
        deploy_branch=granted.app.deploy_branch,
    )


@router.post(
    "/git/pushes", response={200: LiveOut, 201: PushOut, **ERRORS}, include_in_schema=False
)
def open_push(request: HttpRequest, body: PushIn) -> Status[LiveOut] | Status[PushOut]:
    app = App.objects.filter(pk=body.app_id).first()
    user = User.objects.filter(pk=body.user_id, is_active=True).first()
    if app is None or user is None:
        raise NotFound("The app was destroyed meanwhile.")
    opened = pushes.open_push(
        app, user, commit=body.commit, message=body.message, branch=body.branch
    )
    if opened.live is not None:
        return Status(200, LiveOut(**pushes.live_text(opened.live), notices=opened.notices))
    assert opened.build is not None
    archive = str(archive_path(opened.build.id))
    return Status(201, PushOut(build_id=opened.build.id, archive=archive, notices=opened.notices))


@router.post(
    "/git/pushes/{uuid:build}/start", response={202: Done, **ERRORS}, include_in_schema=False
)
def start(request: HttpRequest, build: uuid.UUID) -> Status[Done]:
    pushes.start_push(pushes.find_push(build))
    return Status(202, Done())


@router.post(
    "/git/pushes/{uuid:build}/abandon", response={200: Done, **ERRORS}, include_in_schema=False
)
def abandon(request: HttpRequest, build: uuid.UUID, body: AbandonIn) -> Done:
    pushes.abandon_push(pushes.find_push(build), body.reason)
    return Done()


@router.post(
    "/git/pushes/{uuid:build}/end", response={200: Done, **ERRORS}, include_in_schema=False
)
def end(request: HttpRequest, build: uuid.UUID, body: EndIn) -> Done:
    pushes.note_end(pushes.find_push(build), delivered=body.delivered)
    return Done()


def _bearer(token: str) -> Actor:
    actor = actor_for_token(token)
    if actor is None:
        raise Unauthorized("Invalid credentials. `paas git:remote` sets them up again.")
    return actor


def _holder(fingerprint: str) -> Actor:
    """The owner of a key whose use is noted: the client has proven to hold it."""
    actor = _owner(fingerprint)
    ssh_keys.note_use(fingerprint)
    return actor


def _owner(fingerprint: str) -> Actor:
    actor = ssh_keys.actor_for_key(fingerprint)
    if actor is None:
        raise Unauthorized("This SSH key is not known here. Add it: paas keys:add")
    return actor


@router.post("/runs/permitted", response={200: PermittedOut, **ERRORS}, include_in_schema=False)
def run_permitted(request: HttpRequest, body: RunIn) -> PermittedOut:
    authorization = str(body.authorization) if body.authorization else None
    return PermittedOut(permitted=may_go_on(Reader(str(body.user), authorization), body.app_id))


@router.post("/runs/ended", response={200: Done, **ERRORS}, include_in_schema=False)
def run_ended(request: HttpRequest, body: RunEndIn) -> Done:
    note_end(body.app_id, body.name, body.status)
    return Done()
