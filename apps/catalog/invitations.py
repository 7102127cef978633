"""Invitations: an account, and perhaps a right on an app, for an address that has none yet.

The link is shown once, to the inviter, who passes it on: no mail server is
assumed. It works once, for its address, until it expires or is revoked, and
only those who may manage the app (or the instance) see that it exists.
"""

from __future__ import annotations

import secrets
import uuid
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from apps.accounts.errors import Conflict, NotFound, Refused, Unauthorized
from apps.accounts.limits import check_rate, count_failure
from apps.accounts.login import check_password
from apps.accounts.models import User, hash_token
from apps.accounts.policy import (
    Actor,
    Right,
    require,
    require_admin,
    require_read,
    require_write,
    right_on,
)
from apps.accounts.users import add_user, check_strength, checked_email, find_user
from apps.activity.record import record
from apps.catalog.models import App, Collaborator, Invitation

LIFE = timedelta(days=7)


@dataclass(frozen=True)
class Issued:
    """An invitation and its token, which is not kept and cannot be shown again."""

    invitation: Invitation
    token: str

    @property
    def url(self) -> str:
        """The page that accepts it."""
        return f"{settings.INSTANCE.origin}/dashboard/invitations/{self.token}"


def invite(actor: Actor, email: str, app: App | None = None, right: Right | None = None) -> Issued:
    """Invite an address without an account; inviting it again replaces the link.

    Args:
        app: what they get `right` on; None for the instance alone, which only admins may.

    Raises:
        Refused: the address is none, or has an account.
        Conflict: somebody else is inviting the same address right now.
    """
    _require_managing(actor, app)
    address = checked_email(email)
    if find_user(address) is not None:
        raise Refused(f"{address} has an account already.")
    token = secrets.token_urlsafe(32)
    facts = {
        "right": right,
        "invited_by": actor.user,
        "token_hash": hash_token(token),
        "expires_at": timezone.now() + LIFE,
    }
    try:
        with transaction.atomic():
            made, _ = Invitation.objects.update_or_create(facts, app=app, email=address)
            _record(actor.user, "invitation.create", made, right=right.word if right else None)
    except IntegrityError:
        raise Conflict(f"{address} is being invited by somebody else. Try again.") from None
    return Issued(made, token)


def invitations_for(actor: Actor) -> list[Invitation]:
    """The open ones that `actor` may manage: an admin all, others those to apps they manage."""
    require_read(actor)
    return list(_manageable(actor).select_related("app", "invited_by"))


def revoke(actor: Actor, invitation_id: uuid.UUID) -> Invitation:
    """Make a link worthless; whoever may manage the app may end any invitation to it.

    Raises:
        NotFound: there is none, or none the actor may manage.
        Forbidden: the token may only read.
    """
    require_read(actor)
    require_write(actor)
    found = _manageable(actor).filter(pk=invitation_id).select_related("app", "invited_by").first()
    if found is None:
        raise NotFound("Couldn't find that invitation. `paas invitations` lists them.")
    with transaction.atomic():
        Invitation.objects.filter(pk=found.pk).delete()
        _record(actor.user, "invitation.delete", found)
    return found


def of_token(token: str, *, client: str) -> Invitation:
    """The invitation that `token` accepts.

    It ends with its inviter's own right to give it: they know the link.

    Args:
        client: the address the request came from, against guessing.

    Raises:
        Unauthorized: it was accepted, revoked or replaced, has expired, or never was.
        TooMany: too many wrong ones from this address.
    """
    check_rate("invitation", client)
    open_ones = Invitation.objects.filter(expires_at__gt=timezone.now())
    found = (
        open_ones.filter(token_hash=hash_token(token)).select_related("app", "invited_by").first()
    )
    if found is None or not _is_backed(found):
        count_failure("invitation", client)
        raise _worthless()
    return found


def accept(token: str, password: str, *, client: str, name: str = "") -> User:
    """Make the account with `password` and grant the right, both or neither.

    If the address has an account by now, `password` must be that account's:
    an invitation never opens an account that exists.

    Raises:
        Unauthorized: the link is worthless, or the existing account's password is wrong.
        Refused: a password that is too weak.
        TooMany: too many wrong tries.
    """
    invitation = of_token(token, client=client)
    held = find_user(invitation.email)
    if held is None:
        check_strength(password)
    else:
        check_password(invitation.email, password, client=client)
    with transaction.atomic():
        # The token as well: an invitation made anew meanwhile is another one.
        mine = Invitation.objects.filter(pk=invitation.pk, token_hash=invitation.token_hash)
        if not mine.delete()[0]:
            raise _worthless()
        user = held or add_user(invitation.email, password, name=name)
        _grant(invitation, user)
        _record(user, "invitation.accept", invitation)
    return user


def _is_backed(invitation: Invitation) -> bool:
    inviter = Actor(invitation.invited_by)
    if invitation.app is None:
        return inviter.user.is_admin
    return right_on(inviter, invitation.app) >= Right.MANAGE


def _grant(invitation: Invitation, user: User) -> None:
    app, right = invitation.app, invitation.right
    if app is None or right is None or app.owner_id == user.pk:
        return
    held, new = Collaborator.objects.get_or_create(app=app, user=user, defaults={"right": right})
    if not new:  # given meanwhile: the higher one counts
        Collaborator.objects.filter(pk=held.pk, right__lt=right).update(right=right)


def _require_managing(actor: Actor, app: App | None) -> None:
    if app is None:
        require_admin(actor)
    else:
        require(actor, Right.MANAGE, app)


def _manageable(actor: Actor) -> QuerySet[Invitation]:
    open_ones = Invitation.objects.filter(expires_at__gt=timezone.now())
    if actor.user.is_admin:
        return open_ones
    managed = Collaborator.objects.filter(user=actor.user, right=Right.MANAGE).values("app")
    return open_ones.filter(Q(app__owner=actor.user) | Q(app__in=managed))


def _worthless() -> Unauthorized:
    return Unauthorized(
        "This invitation is not valid: it was used, revoked or replaced, or it has expired. "
        "Ask for a new one."
    )


def _record(actor: User, verb: str, invitation: Invitation, **details: object) -> None:
    app = invitation.app
    record(
        verb,
        actor_id=actor.id,
        actor=actor.email,
        app_id=app.id if app else None,
        app=app.name if app else "",
        email=invitation.email,
        **details,
    )
