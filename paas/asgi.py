"""The panel as an ASGI application, for gunicorn."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Mapping
from types import TracebackType
from typing import Any

from asgiref.sync import SyncToAsync, ThreadSensitiveContext
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "paas.settings")

Message = dict[str, Any]

_KEPT = 16
"""Idle threads, each with a connection to the database, that wait for the next request."""


class _Thread(ThreadSensitiveContext):
    """Where a request's synchronous code runs: a thread that outlives the request."""

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.token is not None:
            SyncToAsync.thread_sensitive_context.reset(self.token)
            self.token = None

    def end(self) -> None:
        if executor := SyncToAsync.context_to_thread_executor.pop(self, None):
            executor.shutdown(wait=False)


class Panel:
    """Django's application with threads that are used again.

    Django gives each request a thread of its own and ends it with the request,
    and with the thread its connection to the database: a third of the work of
    a small answer.
    """

    def __init__(self) -> None:
        self._django = get_asgi_application()
        self._idle: list[_Thread] = []

    async def __call__(
        self,
        scope: Message,
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Mapping[str, Any]], Awaitable[None]],
    ) -> None:
        thread = self._idle.pop() if self._idle else _Thread()
        try:
            async with thread:
                await self._django(scope, receive, send)
        finally:
            if len(self._idle) < _KEPT:
                self._idle.append(thread)
            else:
                thread.end()


application = Panel()
