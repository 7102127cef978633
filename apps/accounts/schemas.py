"""Shapes that every room's API shares."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from functools import reduce
from typing import Any

import orjson
from django.http import HttpRequest
from pydantic import BaseModel, ConfigDict

from apps.accounts.policy import Actor


def example(**values: Any) -> ConfigDict:
    """A schema's `model_config` that shows what one may look like in the OpenAPI document."""
    return ConfigDict(json_schema_extra={"examples": [values]})


class Shape(BaseModel):
    """A body of the API, asked or answered.

    Not ninja's `Schema`: that reads every object through a getter written in
    Python, for answers made of other objects again and again; a list of 200
    apps then costs three times as much.
    """


def render(data: object) -> bytes:
    """JSON, with times as UTC with a Z, as Heroku writes them."""
    return orjson.dumps(data, default=_members, option=orjson.OPT_UTC_Z)


def _members(value: object) -> dict[str, Any]:
    if isinstance(value, BaseModel):
        return value.model_dump()
    raise TypeError(f"{type(value).__name__} has no form in JSON")


class ErrorOut(Shape):
    """Heroku's error shape: `id` for programs, `message` for people."""

    model_config = example(id="not_found", message="Couldn't find that app.")

    id: str
    message: str


class UserRef(Shape):
    id: uuid.UUID
    email: str


ERRORS: dict[Any, Any] = dict.fromkeys(
    (400, 401, 403, 404, 405, 406, 409, 413, 415, 416, 422, 429, 500, 503)
)
"""What every call may also answer. The document says that it is an `ErrorOut` (`paas.api`): were
it said here, ninja would make a model for each call and status, 15 MB in all."""


def facts_of(one: object, facts: Iterable[str]) -> dict[str, Any]:
    """What `QuerySet.values(*facts)` gives for the model `one`: "owner__email" is its owner's.

    What may be missing on the way ("build__commit" of a release without a build) is None.
    """
    return {fact: reduce(_member, fact.split("__"), one) for fact in facts}


def _member(value: object, name: str) -> Any:
    return None if value is None else getattr(value, name)


def actor_of(request: HttpRequest) -> Actor:
    """The actor that `token_auth` has put on the request."""
    actor = request.auth  # type: ignore[attr-defined]
    assert isinstance(actor, Actor)
    return actor
