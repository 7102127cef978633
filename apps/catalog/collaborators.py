"""Who else works on an app: giving, changing and taking rights."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone

from apps.accounts.errors import Conflict, NotFound, Refused
from apps.accounts.models import User
from apps.accounts.policy import Actor, Right, require, require_write
from apps.catalog.manage import record_app
from apps.catalog.models import GRANTABLE, App, AppTransfer, Collaborator, TransferState

USUAL_RIGHT = Right.OPERATE
"""What Heroku's collaborators may do without permissions named: all but to give rights."""


def parse_right(permissions: Sequence[str] | None) -> Right:
    """The highest of Heroku's permissions; they build on each other here.

    Raises:
        Refused: one that is unknown, or none at all.
    """
    if permissions is None:
        return USUAL_RIGHT
    known = {right.word: right for right in GRANTABLE}
    unknown = [name for name in permissions if name not in known]
    if unknown or not permissions:
        raise Refused(
            f"Unknown permission {', '.join(unknown) or '(none)'}. Use one of {', '.join(known)}; "
            f"each includes those before it."
        )
    return max(known[name] for name in permissions)


def collaborators_of(app: App) -> list[Collaborator]:
    """All but the owner, by address."""
    return list(app.collaborators.select_related("user").order_by("user__email"))


def find_collaborator(app: App, key: str) -> Collaborator:
    """By their e-mail address, their id, or the collaborator's own.

    Raises:
        NotFound: nobody such works on the app.
    """
    found = app.collaborators.select_related("user").filter(_named(key)).first()
    if found is None:
        raise NotFound("Couldn't find that collaborator. `paas access` lists them.")
    return found


def is_owner(app: App, key: str) -> bool:
    """Whether `key` (an address or id) means the owner, who is no collaborator."""
    return key.strip().lower() in (app.owner.email, str(app.owner_id))


def add_collaborator(actor: Actor, app: App, user: User, right: Right) -> Collaborator:
    """Give `user` a right on `app`. Somebody who has one already keeps it: change it instead.

    Raises:
        Refused: the owner has every right.
        Conflict: `user` is a collaborator already.
    """
    require(actor, Right.MANAGE, app)
    if user.pk == app.owner_id:
        raise Refused(f"{user} owns {app.name} and has every right on it already.")
    try:
        with transaction.atomic():
            made = Collaborator.objects.create(app=app, user=user, right=right)
            record_app(actor, "collaborator.create", app, user=user.email, right=right.word)
    except IntegrityError:
        raise Conflict(
            f"{user} is already a collaborator on {app.name}. "
            f"To change the right: paas access:update {user} --permissions deploy"
        ) from None
    return made


def change_collaborator(actor: Actor, app: App, key: str, right: Right) -> Collaborator:
    """Give a collaborator another right, higher or lower.

    Raises:
        NotFound: nobody such works on the app.
        Refused: the owner's right cannot be changed.
    """
    require(actor, Right.MANAGE, app)
    if is_owner(app, key):
        raise Refused(f"{app.owner} owns {app.name}; an owner's rights cannot be changed.")
    found = find_collaborator(app, key)
    with transaction.atomic():
        rows = Collaborator.objects.filter(pk=found.pk)
        if not rows.update(right=right, updated_at=timezone.now()):
            raise NotFound(f"{found.user} has just been removed from {app.name}.")
        record_app(actor, "collaborator.update", app, user=found.user.email, right=right.word)
    found.refresh_from_db()
    return found


def remove_collaborator(actor: Actor, app: App, key: str) -> Collaborator:
    """Take a collaborator's rights; everybody may give up their own.

    What they have open (logs, builds) is cut within seconds, and an app that
    was offered to them no longer is.

    Raises:
        NotFound: nobody such works on the app.
        Refused: the owner cannot leave.
    """
    require(actor, Right.VIEW, app)
    require_write(actor)
    found = None if is_owner(app, key) else find_collaborator(app, key)
    if found is None or found.user_id != actor.user.pk:
        require(actor, Right.MANAGE, app)
    if found is None:
        raise Refused(
            f"{app.owner} owns {app.name} and cannot be removed. "
            f"To give it away: paas apps:transfer EMAIL -a {app.name}"
        )
    with transaction.atomic():
        Collaborator.objects.filter(pk=found.pk).delete()
        AppTransfer.objects.filter(
            app=app, recipient=found.user, state=TransferState.PENDING
        ).update(state=TransferState.DECLINED)
        record_app(actor, "collaborator.delete", app, user=found.user.email)
    return found


def _named(key: str) -> Q:
    try:
        wanted: Any = uuid.UUID(key)
    except ValueError:
        return Q(user__email=key.strip().lower())
    return Q(pk=wanted) | Q(user_id=wanted)
