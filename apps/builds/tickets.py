"""Addresses of logs that need no token: signed, for one log, for a day.

Heroku's clients open `output_stream_url` without credentials.
"""

from __future__ import annotations

import uuid

from django.core import signing

from apps.accounts.errors import NotFound

LIFE = 24 * 3600  # seconds


def ticket_for(kind: str, key: uuid.UUID) -> str:
    return signing.dumps(str(key), salt=f"output:{kind}")


def key_in(kind: str, ticket: str) -> uuid.UUID:
    """
    Raises:
        NotFound: forged, too old, or for something else.
    """
    try:
        return uuid.UUID(signing.loads(ticket, salt=f"output:{kind}", max_age=LIFE))
    except (signing.BadSignature, ValueError):
        raise NotFound("This address has expired. Ask the API for a new one.") from None
