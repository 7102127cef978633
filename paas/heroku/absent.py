"""Answers for kinds of things that paas does not have (yet).

Lists of them are empty, one of them is never found, and making one is refused
with what to do instead. A feature that comes to be replaces its module here.
"""

from __future__ import annotations

import uuid
from typing import NoReturn

from django.http import HttpRequest
from ninja import Schema

from apps.accounts.errors import NotFound, Refused
from apps.accounts.schemas import actor_of
from apps.catalog.queries import get_app


class Absent(Schema):
    """What Heroku's resources have in common."""

    id: uuid.UUID
    name: str


def none_of(request: HttpRequest, app: str) -> list[Absent]:
    """The empty list, for an app that the caller may see."""
    get_app(actor_of(request), app)
    return []


def missing(request: HttpRequest, noun: str, app: str | None = None) -> NoReturn:
    """
    Raises:
        NotFound: there is no such app, or else no such thing.
    """
    if app is not None:
        get_app(actor_of(request), app)
    raise NotFound(f"Couldn't find that {noun}.")


def refuse(request: HttpRequest, instead: str, app: str | None = None) -> NoReturn:
    """
    Raises:
        NotFound: there is no such app.
        Refused: with `instead`, what to do.
    """
    if app is not None:
        get_app(actor_of(request), app)
    raise Refused(instead)
