"""Making and revoking tokens."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.utils import timezone

from apps.accounts.errors import Conflict, NotFound, Refused
from apps.accounts.models import SCOPES, Authorization, User, hash_token, new_token
from apps.accounts.policy import Actor, require_global
from apps.activity.record import record

LONGEST_LIFE = 100 * 365 * 24 * 3600  # seconds


@dataclass(frozen=True)
class Issued:
    """A new authorization and its token, which is not kept and cannot be shown again."""

    authorization: Authorization
    token: str


def issue(
    user: User,
    *,
    description: str = "",
    scopes: Sequence[str] = ("global",),
    expires_in: int | None = None,
) -> Issued:
    """Make a token for `user`, who has been authenticated by the caller.

    Args:
        expires_in: seconds until it ends; None for never.

    Raises:
        Refused: an unknown scope, or a life that is none.
    """
    unknown = [scope for scope in scopes if scope not in SCOPES]
    if unknown or not scopes:
        raise Refused(f"Unknown scope {', '.join(unknown) or '(none)'}. Use {', '.join(SCOPES)}.")
    if expires_in is not None and not 0 < expires_in <= LONGEST_LIFE:
        raise Refused(
            f"expires_in is the token's life in seconds, 1 to {LONGEST_LIFE}; without it the "
            "token lives until it is revoked."
        )
    token = new_token()
    authorization = Authorization.objects.create(
        user=user,
        description=description,
        scopes=list(scopes),
        token_hash=hash_token(token),
        token_hint=token[:12],
        expires_at=None if expires_in is None else timezone.now() + timedelta(seconds=expires_in),
    )
    return Issued(authorization, token)


def create(
    actor: Actor, *, description: str, scopes: Sequence[str], expires_in: int | None
) -> Issued:
    """`actor` makes a token for themselves."""
    require_global(actor)
    issued = issue(actor.user, description=description, scopes=scopes, expires_in=expires_in)
    _record("authorization.create", actor, issued.authorization, scopes=list(scopes))
    return issued


def find(actor: Actor, authorization_id: uuid.UUID) -> Authorization:
    """One of the actor's own authorizations.

    Raises:
        NotFound: there is none such.
    """
    require_global(actor)
    found = Authorization.objects.filter(
        user=actor.user, revoked_at=None, id=authorization_id
    ).first()
    if found is None:
        raise NotFound("Couldn't find that authorization.")
    return found


def describe(actor: Actor, authorization_id: uuid.UUID, description: str) -> Authorization:
    """Say what a token is for."""
    authorization = find(actor, authorization_id)
    authorization.description = description[:200]
    authorization.save(update_fields=["description", "updated_at"])
    _record("authorization.update", actor, authorization)
    return authorization


def rotate(actor: Actor, authorization_id: uuid.UUID) -> Issued:
    """Replace a token; the old one ends at once. Scopes and the end of its life stay.

    Raises:
        Conflict: it was replaced or revoked at the same moment.
    """
    authorization = find(actor, authorization_id)
    token = new_token()
    unchanged = Authorization.objects.filter(
        pk=authorization.pk, revoked_at=None, token_hash=authorization.token_hash
    )
    rotated = unchanged.update(
        token_hash=hash_token(token), token_hint=token[:12], updated_at=timezone.now()
    )
    if not rotated:
        raise Conflict("This token has just been replaced or revoked by another request.")
    _record("authorization.rotate", actor, authorization)
    authorization.refresh_from_db()
    return Issued(authorization, token)


def revoke(actor: Actor, authorization_id: uuid.UUID) -> Authorization:
    """End a token at once; the row stays, so that the audit trail can name it."""
    authorization = find(actor, authorization_id)
    authorization.revoked_at = timezone.now()
    authorization.save(update_fields=["revoked_at", "updated_at"])
    _record("authorization.revoke", actor, authorization)
    return authorization


def _record(verb: str, actor: Actor, authorization: Authorization, **details: object) -> None:
    record(
        verb,
        actor_id=actor.user.id,
        actor=str(actor),
        app_id=None,
        app="",
        authorization=str(authorization.id),
        **details,
    )
