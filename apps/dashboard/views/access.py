"""Who works on an app: the owner, collaborators, and who is invited."""

from __future__ import annotations

import uuid

from django.http import HttpRequest, HttpResponse

from apps.accounts.errors import Refused
from apps.accounts.policy import Actor, Right
from apps.accounts.users import find_user
from apps.catalog import collaborators, invitations
from apps.catalog.models import GRANTABLE
from apps.catalog.queries import get_app
from apps.dashboard.entry import act, go, page, show
from apps.dashboard.frame import frame_of


@page
def show_access(request: HttpRequest, actor: Actor, name: str) -> HttpResponse:
    return _show(request, actor, name)


@act
def add(request: HttpRequest, actor: Actor, name: str) -> HttpResponse:
    """A user gets the right at once, an address without an account a link that is shown once."""
    app = get_app(actor, name, Right.MANAGE)
    email = request.POST.get("email", "")
    try:
        right = _right(request)
        user = find_user(email)
        if user is None:
            issued = invitations.invite(actor, email, app, right)
            return _show(request, actor, name, issued=issued)
        collaborators.add_collaborator(actor, app, user, right)
    except Refused as error:
        return _show(request, actor, name, problem=error, email=email)
    return go(request, "access", name, notice=f"{user} may {right.word} {app.name} now.")


@act
def change(request: HttpRequest, actor: Actor, name: str, key: uuid.UUID) -> HttpResponse:
    app = get_app(actor, name, Right.MANAGE)
    changed = collaborators.change_collaborator(actor, app, str(key), _right(request))
    return go(request, "access", name, notice=f"{changed.user} has another right now.")


@act
def remove(request: HttpRequest, actor: Actor, name: str, key: uuid.UUID) -> HttpResponse:
    """Take a collaborator's rights, or leave oneself."""
    gone = collaborators.remove_collaborator(actor, get_app(actor, name), str(key))
    if gone.user == actor.user:
        return go(request, "apps", notice=f"You have left {name}.")
    return go(request, "access", name, notice=f"{gone.user} has no access to {name} any more.")


@act
def revoke(request: HttpRequest, actor: Actor, name: str, key: uuid.UUID) -> HttpResponse:
    get_app(actor, name, Right.MANAGE)
    gone = invitations.revoke(actor, key)
    return go(request, "access", name, notice=f"The invitation of {gone.email} is worthless now.")


def _right(request: HttpRequest) -> Right:
    return collaborators.parse_right([request.POST.get("right", "")])


def _show(
    request: HttpRequest,
    actor: Actor,
    name: str,
    *,
    problem: Refused | None = None,
    email: str = "",
    issued: invitations.Issued | None = None,
) -> HttpResponse:
    frame = frame_of(actor, name)
    invited = [one for one in invitations.invitations_for(actor) if one.app == frame.app]
    return show(
        request,
        actor,
        "access",
        problem.status if problem else 200,
        frame=frame,
        tab="access",
        collaborators=collaborators.collaborators_of(frame.app),
        invited=invited if frame.can_manage else [],
        rights=GRANTABLE,
        usual=collaborators.USUAL_RIGHT,
        problem=problem.message if problem else "",
        email=email,
        issued=issued,
    )
