"""Log sessions: the right to read an app's log, as an address that works for a few minutes.

Heroku's API is made so: the answer to `POST log-sessions` holds an address
that any program can open without a token. Ours is signed and says what is to
be shown and who asked, whose right is looked at again while it is open;
nothing is kept on the server.
"""

from __future__ import annotations

import uuid
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.core import signing
from django.utils import timezone

from apps.accounts.errors import NotFound
from apps.accounts.policy import Actor, Right
from apps.catalog.queries import get_app
from apps.catalog.watching import Reader
from apps.logs.lines import LineError, LineId
from apps.logs.store import MAX_LINES, Filter
from apps.logs.tail import Request

LIFE = 300
"""Seconds within which a session must be opened; open, it goes on."""

_SALT = "log-session"


@dataclass(frozen=True)
class Session:
    """One session as it was made."""

    id: uuid.UUID
    created_at: datetime
    url: str


@dataclass(frozen=True)
class Opened:
    """What a session's address says."""

    app_id: uuid.UUID
    reader: Reader
    request: Request


def create(
    actor: Actor,
    app_name: str,
    *,
    lines: int = 100,
    tail: bool = False,
    source: str = "",
    process: str = "",
) -> Session:
    """A session for `actor` on an app they may see.

    Args:
        lines: how much history, at most `MAX_LINES`.
        source: "app" or "paas" ("heroku" is understood as the latter); empty for both.
        process: "web.1", or "web" for all of the type; empty for all.

    Raises:
        NotFound: no such app, or not for this actor.
    """
    app = get_app(actor, app_name, Right.VIEW)
    session = uuid.uuid4()
    ticket = signing.dumps(
        {
            "id": str(session),
            "app": str(app.id),
            "lines": max(0, min(lines, MAX_LINES)),
            "tail": tail,
            "source": "paas" if source == "heroku" else source,
            "process": process,
            "reader": asdict(Reader.of(actor)),
        },
        salt=_SALT,
        compress=True,
    )
    return Session(session, timezone.now(), f"{settings.INSTANCE.origin}/log-sessions/{ticket}")


def open_session(ticket: str, last_event_id: str = "") -> Opened:
    """What the address with `ticket` shows.

    Args:
        last_event_id: the last line a reader that was cut off has seen, or "".

    Raises:
        NotFound: it was not made here, or too long ago.
    """
    try:
        facts: dict[str, Any] = signing.loads(ticket, salt=_SALT, max_age=LIFE)
    except signing.BadSignature as error:
        raise NotFound("This log session has ended. Create a new one.") from error
    wanted = Filter(facts["source"], facts["process"])
    request = Request(facts["lines"], facts["tail"], wanted, _line_id(last_event_id))
    return Opened(uuid.UUID(facts["app"]), Reader(**facts["reader"]), request)


def _line_id(text: str) -> LineId | None:
    try:
        return LineId.parse(text)
    except LineError:
        return None
