"""Shapes that every room's API shares."""

from __future__ import annotations

import uuid
from typing import Any

from django.http import HttpRequest
from ninja import Schema
from pydantic import ConfigDict

from apps.accounts.policy import Actor


def example(**values: Any) -> ConfigDict:
    """A schema's `model_config` that shows what one may look like in the OpenAPI document."""
    return ConfigDict(json_schema_extra={"examples": [values]})


class ErrorOut(Schema):
    """Heroku's error shape: `id` for programs, `message` for people."""

    model_config = example(id="not_found", message="Couldn't find that app.")

    id: str
    message: str


class UserRef(Schema):
    id: uuid.UUID
    email: str


ERRORS: dict[Any, Any] = dict.fromkeys(
    (400, 401, 403, 404, 405, 406, 409, 413, 415, 416, 422, 429, 500, 503), ErrorOut
)


def actor_of(request: HttpRequest) -> Actor:
    """The actor that `token_auth` has put on the request."""
    actor = request.auth  # type: ignore[attr-defined]
    assert isinstance(actor, Actor)
    return actor
