"""The panel as an ASGI application: a thread makes each answer, the event loop sends it."""

from __future__ import annotations

import asyncio
import gc
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, closing, suppress
from contextvars import copy_context
from typing import IO, Any

import django
from django.core import signals
from django.core.exceptions import RequestAborted
from django.core.handlers.asgi import ASGIHandler, get_script_prefix
from django.core.handlers.base import BaseHandler
from django.http import HttpResponseBase
from django.urls import get_resolver, set_script_prefix

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "paas.settings")

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]

_TURNS = 2
"""Reading requests that are answered at once: while one waits for Redis, another computes."""
_PATIENCE = 0.1
"""Seconds a reading request waits for its turn, at most: those before it may be stuck."""
_KEPT = 16
"""Idle threads, each with a connection to the database, that wait for the next request."""


class Panel(ASGIHandler):
    """Django's application, going to a thread once for each request.

    Django's own goes there and back for each signal, each synchronous middleware
    and the view: six times, each a wait for the interpreter's lock. It gives the
    request a thread of its own and ends that with the request, and with it its
    connection to the database. Here the thread is used again, and a stream holds
    none: its view is synchronous, too, and returns an asynchronous iterator.

    Requests that only read take turns: ten threads at once would share the
    interpreter in slices, and all ten be as late as the last.
    """

    def __init__(self) -> None:
        BaseHandler.__init__(self)  # the other would load middleware that awaits
        self.load_middleware(is_async=False)
        self._idle: list[ThreadPoolExecutor] = []
        self._turns = asyncio.Semaphore(_TURNS)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise ValueError(f"The panel speaks HTTP, not {scope['type']}.")
        with suppress(RequestAborted):
            with closing(await self.read_body(receive)) as body:
                async with self._turn(scope["method"]):
                    response = await self._in_thread(self._answer, scope, body)
            if response.streaming:
                await self._stream(response, receive, send)
            else:
                await self.send_response(response, send)

    @asynccontextmanager
    async def _turn(self, method: str) -> AsyncIterator[None]:
        taken = method == "GET"
        if taken:
            try:
                async with asyncio.timeout(_PATIENCE):
                    await self._turns.acquire()
            except TimeoutError:
                taken = False
        try:
            yield
        finally:
            if taken:
                self._turns.release()

    async def _in_thread(
        self, work: Callable[[Message, IO[bytes]], HttpResponseBase], *arguments: Any
    ) -> HttpResponseBase:
        thread = self._idle.pop() if self._idle else ThreadPoolExecutor(1)
        working = thread.submit(copy_context().run, work, *arguments)
        # Not when this coroutine ends: it may be cancelled, which the thread does not feel.
        working.add_done_callback(lambda _: self._keep_or_end(thread))
        return await asyncio.wrap_future(working)

    def _keep_or_end(self, thread: ThreadPoolExecutor) -> None:
        if len(self._idle) < _KEPT:
            self._idle.append(thread)
        else:
            thread.shutdown(wait=False)

    def _answer(self, scope: Message, body: IO[bytes]) -> HttpResponseBase:
        """All that Django does for a request but to send; an answer that is whole is closed."""
        set_script_prefix(get_script_prefix(scope))
        signals.request_started.send(sender=type(self), scope=scope)
        request, refusal = self.create_request(scope, body)
        response = self.get_response(request) if request else refusal
        assert response is not None
        response._handler_class = type(self)  # type: ignore[attr-defined]  # who signals the end
        if not response.streaming:
            response.close()
        return response

    async def _stream(self, response: HttpResponseBase, receive: Receive, send: Send) -> None:
        """Send until the stream is over or the client goes."""
        try:
            async with asyncio.TaskGroup() as both:
                leaving = both.create_task(self.listen_for_disconnect(receive))
                await self.send_response(response, send)
                leaving.cancel()
        except* RequestAborted:
            pass
        finally:
            response.close()


django.setup(set_prefix=False)
application = Panel()
_ = get_resolver().url_patterns  # all pages and calls: the first request should not wait for them
gc.freeze()  # no collection need look at what stays
