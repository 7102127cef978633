"""Making and revoking the tokens of nodes, and knowing a node by its own."""

from __future__ import annotations

import re
import secrets
import uuid
from dataclasses import dataclass
from datetime import timedelta

from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from apps.accounts.auth import client_address, token_in
from apps.accounts.errors import Conflict, NotFound, Refused, Unauthorized
from apps.accounts.limits import count_failure
from apps.accounts.models import TOKEN_PREFIX, hash_token
from apps.accounts.policy import Actor, require_admin
from apps.activity.record import record
from apps.nodes.models import NodeToken

_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?")
_USE_NOTED_EVERY = timedelta(minutes=1)


@dataclass(frozen=True)
class IssuedNodeToken:
    """A new token, which is not kept and cannot be shown again."""

    row: NodeToken
    token: str


def all_tokens(actor: Actor) -> QuerySet[NodeToken]:
    require_admin(actor)
    return NodeToken.objects.usable()


def create(actor: Actor, name: str) -> IssuedNodeToken:
    """A token for the node `name`.

    Raises:
        Refused: that is no host's name.
        Conflict: a usable token has it already.
    """
    require_admin(actor)
    if not _NAME.fullmatch(name):
        raise Refused(
            "A node's name has 1 to 63 lower-case letters, digits, dots and dashes, and begins "
            "and ends with a letter or digit."
        )
    token = f"{TOKEN_PREFIX}node_{secrets.token_urlsafe(32)}"
    try:
        with transaction.atomic():
            row = NodeToken.objects.create(
                name=name, token_hash=hash_token(token), token_hint=token[:16]
            )
    except IntegrityError as error:
        raise Conflict(
            f"{name} has a token already. To replace it, make one of another name, give it to "
            f"the node, then revoke the old one: paas nodes:tokens:revoke {name}"
        ) from error
    _record("node-token.create", actor, row)
    return IssuedNodeToken(row, token)


def revoke(actor: Actor, key: str) -> NodeToken:
    """End a token, by its name or id, at once; the row stays for the audit trail.

    Raises:
        NotFound: there is none such.
    """
    require_admin(actor)
    tokens = NodeToken.objects.usable()
    identity = _uuid(key)
    row = (tokens.filter(id=identity) if identity else tokens.filter(name=key)).first()
    if row is None:
        raise NotFound("Couldn't find that node token.")
    row.revoked_at = timezone.now()
    row.save(update_fields=["revoked_at"])
    _record("node-token.revoke", actor, row)
    return row


def node_of(request: HttpRequest) -> NodeToken:
    """The node that asks: its token is the password (Basic, so that netrc will do) or Bearer.

    Raises:
        Unauthorized: none, an unknown or a revoked one, or a user's.
        TooMany: too many wrong ones from this address.
    """
    token = token_in(request.headers.get("Authorization", ""))
    row = NodeToken.objects.for_token(token) if token else None
    if row is not None:
        _note_use(row)
        return row
    if token:
        count_failure("token", client_address(request))
    raise Unauthorized(
        "This is for nodes. An admin makes a token for one: paas nodes:tokens:create NAME"
    )


def _note_use(row: NodeToken) -> None:
    now = timezone.now()
    if row.last_used_at is None or now - row.last_used_at > _USE_NOTED_EVERY:
        NodeToken.objects.filter(pk=row.pk).update(last_used_at=now)


def _uuid(key: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(key)
    except ValueError:
        return None


def _record(verb: str, actor: Actor, row: NodeToken) -> None:
    record(verb, actor_id=actor.user.id, actor=str(actor), token=str(row.id), node=row.name)
