"""Bodies of requests: JSON objects of text that a database can hold, everything else is refused."""

from __future__ import annotations

import json
from typing import Any

from django.http import HttpRequest
from ninja.parser import Parser

from apps.accounts.errors import Refused

_JSON = ("application/json", "application/vnd.heroku+json", "")


class BadBody(Refused):
    id = "bad_request"
    status = 400


class BadText(Refused):
    """JSON can write text that PostgreSQL or UTF-8 cannot hold."""


class NotJson(Refused):
    id = "unsupported_media_type"
    status = 415


class JsonObjects(Parser):
    """Reads a body, or refuses it with the reason."""

    def parse_body(self, request: HttpRequest) -> dict[str, Any]:
        """
        Raises:
            NotJson: the `Content-Type` is another one.
            BadBody: it is no JSON, or no object.
            BadText: a NUL character or half of a surrogate pair is in it.
        """
        if request.content_type not in _JSON:
            raise NotJson("The body must be JSON. Send: Content-Type: application/json")
        try:
            data = json.loads(request.body, parse_constant=_no_constant)
        except (ValueError, RecursionError):
            raise BadBody("The body is no JSON.") from None
        if not isinstance(data, dict):
            raise BadBody("The body must be a JSON object.")
        # The gateway passes on what its clients sent; what is no token is no token there.
        if not request.path.startswith("/internal/") and not _is_text(data):
            raise BadText("The body holds a NUL character or half of a surrogate pair: no text.")
        return data


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _is_text(value: object) -> bool:
    """Whether all strings in `value`, names included, are text everywhere."""
    if isinstance(value, dict):
        return all(_is_text(key) and _is_text(entry) for key, entry in value.items())
    if isinstance(value, list):
        return all(map(_is_text, value))
    if not isinstance(value, str):
        return True
    return "\0" not in value and not any("\ud800" <= char <= "\udfff" for char in value)
