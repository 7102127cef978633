"""Log sessions, in Heroku's shape."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Annotated

from django.http import HttpRequest
from ninja import Router, Status
from pydantic import Field

from apps.accounts.schemas import ERRORS, Shape, actor_of, example
from apps.logs import sessions
from apps.logs.lines import NAME

router = Router(tags=["logs"])

_Name = Annotated[str, Field(pattern=rf"^(?:{NAME.pattern})?$", max_length=100)]


class LogSessionIn(Shape):
    """`dyno` is "web.1" or "web"; `source` is "app" or "paas"."""

    model_config = example(lines=200, tail=True, dyno="web.1")

    lines: int = 100
    tail: bool = False
    dyno: _Name | None = None
    source: _Name | None = None


class LogSessionOut(Shape):
    """`logplex_url` streams the lines as server-sent events; open it within five minutes."""

    id: uuid.UUID
    logplex_url: str
    created_at: datetime
    updated_at: datetime


@router.post("/apps/{app}/log-sessions", response={201: LogSessionOut, **ERRORS})
def create_log_session(
    request: HttpRequest, app: str, body: LogSessionIn | None = None
) -> Status[LogSessionOut]:
    asked = body or LogSessionIn()
    session = sessions.create(
        actor_of(request),
        app,
        lines=asked.lines,
        tail=asked.tail,
        source=asked.source or "",
        process=asked.dyno or "",
    )
    return Status(201, _shown(session))


def _shown(session: sessions.Session) -> LogSessionOut:
    return LogSessionOut(
        id=session.id,
        logplex_url=session.url,
        created_at=session.created_at,
        updated_at=session.created_at,
    )
