"""Answers for kinds of things that paas does not have (yet).

Lists of them are empty, one of them is never found, and making one is refused
with what to do instead. A feature that comes to be replaces its module here.
"""

from __future__ import annotations

import uuid
from typing import NoReturn

from django.http import HttpRequest

from apps.accounts.errors import NotFound, Refused
from apps.accounts.policy import require_read
from apps.accounts.schemas import Shape, actor_of
from apps.catalog.queries import get_app


class Absent(Shape):
    """What Heroku's resources have in common."""

    id: uuid.UUID
    name: str


def none_of(request: HttpRequest, app: str | None = None) -> list[Absent]:
    """The empty list: of an app that the caller may see, or of all."""
    _look(request, app)
    return []


def missing(request: HttpRequest, noun: str, app: str | None = None) -> NoReturn:
    """
    Raises:
        NotFound: there is no such app, or else no such thing.
    """
    _look(request, app)
    raise NotFound(f"Couldn't find that {noun}.")


def refuse(request: HttpRequest, instead: str, app: str | None = None) -> NoReturn:
    """
    Raises:
        NotFound: there is no such app.
        Refused: with `instead`, what to do.
    """
    _look(request, app)
    raise Refused(instead)


def _look(request: HttpRequest, app: str | None) -> None:
    """Let pass whoever may look at anything, and at `app` if one is named."""
    actor = actor_of(request)
    require_read(actor)
    if app is not None:
        get_app(actor, app)
