"""Addresses of logs that need no token: signed, for one log, for a day.

Heroku's clients open `output_stream_url` without credentials. The address names
who asked for it, and works while they may see the app.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from functools import cache

from django.core import signing

from apps.accounts.errors import NotFound
from apps.accounts.policy import Actor
from apps.catalog.watching import Reader

LIFE = 24 * 3600  # seconds


@dataclass(frozen=True)
class Ticket:
    """Whose log it opens, and who asked for it."""

    key: uuid.UUID
    reader: Reader


def ticket_for(kind: str, key: uuid.UUID, actor: Actor) -> str:
    reader = Reader.of(actor)
    facts = [str(key), reader.user, reader.authorization]
    return _signer(kind).sign_object(facts)


def read_ticket(kind: str, ticket: str) -> Ticket:
    """
    Raises:
        NotFound: forged, too old, or for something else.
    """
    try:
        key, user, token = _signer(kind).unsign_object(ticket, max_age=LIFE)
        return Ticket(uuid.UUID(key), Reader(user, token))
    except (signing.BadSignature, ValueError):
        raise NotFound("This address has expired. Ask the API for a new one.") from None


@cache
def _signer(kind: str) -> signing.TimestampSigner:
    return signing.TimestampSigner(salt=f"output:{kind}")
