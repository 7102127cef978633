"""Middleware of the panel."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.http import HttpRequest, HttpResponseBase

_Handler = Callable[[HttpRequest], HttpResponseBase | Awaitable[HttpResponseBase]]


class RequestId:
    """Gives every answer a `Request-Id` (Heroku's API manners).

    It is async-capable, so that a streamed answer passes without a thread.
    """

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: _Handler) -> None:
        self._get_response = get_response
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        if iscoroutinefunction(self):
            return self._async(request)
        response = self._get_response(request)
        assert isinstance(response, HttpResponseBase)
        return _mark(response)

    async def _async(self, request: HttpRequest) -> HttpResponseBase:
        response = self._get_response(request)
        assert isinstance(response, Awaitable)
        return _mark(await response)


def _mark(response: HttpResponseBase) -> HttpResponseBase:
    response["Request-Id"] = str(uuid.uuid4())
    return response
