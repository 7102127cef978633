"""Middleware of the panel."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable

from asgiref.sync import markcoroutinefunction
from django.http import HttpRequest, HttpResponseBase

_Handler = Callable[[HttpRequest], Awaitable[HttpResponseBase]]


class RequestId:
    """Gives every answer a `Request-Id` (Heroku's API manners).

    Async only, as the panel is served over ASGI: a streamed answer passes
    without a thread; Django adapts it for its synchronous test client.
    """

    sync_capable = False
    async_capable = True

    def __init__(self, get_response: _Handler) -> None:
        self._get_response = get_response
        markcoroutinefunction(self)

    async def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return _mark(await self._get_response(request))


def _mark(response: HttpResponseBase) -> HttpResponseBase:
    response["Request-Id"] = str(uuid.uuid4())
    return response
