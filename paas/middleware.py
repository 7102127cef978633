"""Middleware of the panel: the manners of Heroku's API that belong to every answer."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable

from django.http import Http404, HttpRequest, HttpResponseBase

from paas.errors import error_response, method_not_allowed, not_found

_Handler = Callable[[HttpRequest], HttpResponseBase]

_OTHER_VERSION = re.compile(r"application/vnd\.heroku\+json\s*;\s*version=(?!3\b)", re.IGNORECASE)
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_IDS_ECHOED = 20
_VERSION_3 = "This is version 3 of the API. Send: Accept: application/vnd.heroku+json; version=3"


class ApiManners:
    """`Request-Id` on every answer, `RateLimit-Remaining` with a token, version 3 only."""

    def __init__(self, get_response: _Handler) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self._answer(request)
        response["Request-Id"] = _request_ids(request)
        calls_left = getattr(request, "calls_left", None)
        if calls_left is not None:
            response["RateLimit-Remaining"] = str(calls_left)
        return response

    def _answer(self, request: HttpRequest) -> HttpResponseBase:
        if _OTHER_VERSION.search(request.headers.get("Accept", "")):
            return error_response(406, "not_acceptable", _VERSION_3)
        if "\0" in request.path:  # PostgreSQL takes no such text, so nothing can be called so
            return not_found(request, Http404())
        response = self._get_response(request)
        return method_not_allowed(response) if response.status_code == 405 else response


def _request_ids(request: HttpRequest) -> str:
    """A new id, and those the client named: Heroku's join the calls of one command so."""
    named = request.headers.get("Request-Id", "").split(",")
    known = [name.strip() for name in named if _UUID.fullmatch(name.strip())]
    return ",".join([str(uuid.uuid4()), *known[:_IDS_ECHOED]])
