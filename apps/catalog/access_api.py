"""Collaborators, in Heroku's shape, and invitations."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from django.http import HttpRequest
from ninja import Router, Status

from apps.accounts.auth import client_address
from apps.accounts.policy import Right
from apps.accounts.schemas import ERRORS, Shape, UserRef, actor_of, example
from apps.accounts.users import find_user
from apps.catalog import collaborators, invitations
from apps.catalog.models import GRANTABLE, App, Collaborator, Invitation
from apps.catalog.queries import get_app

router = Router(tags=["access"])

_DESCRIPTIONS = {
    Right.VIEW: "See the app, its releases and its logs",
    Right.DEPLOY: "Push code, cancel builds",
    Right.OPERATE: "Change config vars, scale, restart, run commands, roll back",
    Right.MANAGE: "Give and take access",
}


class PermissionOut(Shape):
    name: str
    description: str


class CollaboratorApp(Shape):
    id: uuid.UUID
    name: str


class CollaboratorOut(Shape):
    """`role` is "owner" or "collaborator"; the owner's `id` is the user's own."""

    id: uuid.UUID
    app: CollaboratorApp
    user: UserRef
    role: str
    permissions: list[PermissionOut]
    created_at: datetime
    updated_at: datetime


class CollaboratorIn(Shape):
    """`user` is an address or id. Without `permissions`: view, deploy and operate."""

    model_config = example(user="ada@example.org", permissions=["deploy"])

    user: str
    permissions: list[str] | None = None
    silent: bool = False


class CollaboratorPatch(Shape):
    model_config = example(permissions=["manage"])

    permissions: list[str]


class InvitationOut(Shape):
    """An invitation without an app is one to this paas alone."""

    id: uuid.UUID
    email: str
    app: CollaboratorApp | None
    permissions: list[PermissionOut]
    invited_by: UserRef
    expires_at: datetime
    created_at: datetime
    updated_at: datetime


class InvitationIssued(InvitationOut):
    """`token` and `url` are in this answer, never again."""

    token: str
    url: str


class InvitationIn(Shape):
    model_config = example(email="ada@example.org")

    email: str


class AcceptIn(Shape):
    """`password`: a new one, or the present one if the address has an account by now."""

    model_config = example(token="inv_...", password="four random words")  # noqa: S106 - none

    token: str
    password: str
    name: str = ""


@router.get("/apps/{app}/collaborators", response={200: list[CollaboratorOut], **ERRORS})
def list_collaborators(request: HttpRequest, app: str) -> list[CollaboratorOut]:
    """The owner first."""
    found = get_app(actor_of(request), app)
    return [show_owner(found), *map(show, collaborators.collaborators_of(found))]


@router.post(
    "/apps/{app}/collaborators",
    operation_id="add_collaborator",
    response={201: CollaboratorOut, 202: InvitationIssued, **ERRORS},
)
def add(
    request: HttpRequest, app: str, body: CollaboratorIn
) -> Status[CollaboratorOut] | Status[InvitationIssued]:
    """Give a user a right; an address without an account gets an invitation instead (202)."""
    actor = actor_of(request)
    found = get_app(actor, app, Right.MANAGE)
    right = collaborators.parse_right(body.permissions)
    user = find_user(body.user)
    if user is None:
        return Status(202, show_issued(invitations.invite(actor, body.user, found, right)))
    return Status(201, show(collaborators.add_collaborator(actor, found, user, right)))


@router.get(
    "/apps/{app}/collaborators/{collaborator}",
    operation_id="show_collaborator",
    response={200: CollaboratorOut, **ERRORS},
)
def show_one(request: HttpRequest, app: str, collaborator: str) -> CollaboratorOut:
    """One collaborator by address or id."""
    found = get_app(actor_of(request), app)
    if collaborators.is_owner(found, collaborator):
        return show_owner(found)
    return show(collaborators.find_collaborator(found, collaborator))


@router.patch(
    "/apps/{app}/collaborators/{collaborator}",
    operation_id="change_collaborator",
    response={200: CollaboratorOut, **ERRORS},
)
def change(
    request: HttpRequest, app: str, collaborator: str, body: CollaboratorPatch
) -> CollaboratorOut:
    actor = actor_of(request)
    found = get_app(actor, app, Right.MANAGE)
    right = collaborators.parse_right(body.permissions)
    return show(collaborators.change_collaborator(actor, found, collaborator, right))


@router.delete(
    "/apps/{app}/collaborators/{collaborator}",
    operation_id="remove_collaborator",
    response={200: CollaboratorOut, **ERRORS},
)
def remove(request: HttpRequest, app: str, collaborator: str) -> CollaboratorOut:
    """Take all rights; everybody may leave an app themselves."""
    actor = actor_of(request)
    found = get_app(actor, app)
    return show(collaborators.remove_collaborator(actor, found, collaborator))


@router.get("/invitations", response={200: list[InvitationOut], **ERRORS})
def list_invitations(request: HttpRequest) -> list[InvitationOut]:
    """The open ones you may manage: an admin all, others those to apps they manage."""
    return [
        InvitationOut(**_invitation(one)) for one in invitations.invitations_for(actor_of(request))
    ]


@router.post(
    "/invitations", operation_id="create_invitation", response={201: InvitationIssued, **ERRORS}
)
def invite(request: HttpRequest, body: InvitationIn) -> Status[InvitationIssued]:
    """Invite somebody to this paas, for admins; to an app: add a collaborator."""
    return Status(201, show_issued(invitations.invite(actor_of(request), body.email)))


@router.delete(
    "/invitations/{invitation}",
    operation_id="revoke_invitation",
    response={200: InvitationOut, **ERRORS},
)
def revoke(request: HttpRequest, invitation: uuid.UUID) -> InvitationOut:
    gone = invitations.revoke(actor_of(request), invitation)
    return InvitationOut(**_invitation(gone))


@router.post(
    "/invitations/actions/accept",
    operation_id="accept_invitation",
    auth=None,
    response={201: UserRef, **ERRORS},
)
def accept(request: HttpRequest, body: AcceptIn) -> Status[UserRef]:
    """Make the account and take the right. Then sign in with `POST /auth/login`."""
    user = invitations.accept(
        body.token, body.password, client=client_address(request), name=body.name[:100]
    )
    return Status(201, UserRef(id=user.id, email=user.email))


def show(one: Collaborator) -> CollaboratorOut:
    """A collaborator as the API gives them."""
    return CollaboratorOut(
        id=one.id,
        app=CollaboratorApp(id=one.app_id, name=one.app.name),
        user=UserRef(id=one.user.id, email=one.user.email),
        role="collaborator",
        permissions=_permissions(one.right),
        created_at=one.created_at,
        updated_at=one.updated_at,
    )


def show_owner(app: App) -> CollaboratorOut:
    """The owner as Heroku lists them: among the collaborators, with every permission."""
    return CollaboratorOut(
        id=app.owner.id,
        app=CollaboratorApp(id=app.id, name=app.name),
        user=UserRef(id=app.owner.id, email=app.owner.email),
        role="owner",
        permissions=_permissions(Right.OWN),
        created_at=app.created_at,
        updated_at=app.updated_at,
    )


def show_issued(issued: invitations.Issued) -> InvitationIssued:
    return InvitationIssued(**_invitation(issued.invitation), token=issued.token, url=issued.url)


def _invitation(one: Invitation) -> dict[str, Any]:
    app = one.app
    return {
        "id": one.id,
        "email": one.email,
        "app": CollaboratorApp(id=app.id, name=app.name) if app else None,
        "permissions": _permissions(one.right or Right.NONE),
        "invited_by": UserRef(id=one.invited_by.id, email=one.invited_by.email),
        "expires_at": one.expires_at,
        "created_at": one.created_at,
        "updated_at": one.updated_at,
    }


def _permissions(right: int) -> list[PermissionOut]:
    return [
        PermissionOut(name=one.word, description=_DESCRIPTIONS[one])
        for one in GRANTABLE
        if one <= right
    ]
