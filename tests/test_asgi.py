"""Threads of the panel's requests: kept for the next one, never shared by two, bounded."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse

from paas.asgi import _KEPT, Panel

_SCOPE = {"type": "http", "method": "GET", "path": "/", "headers": [], "query_string": b""}


@pytest.fixture
def panel(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Panel]:
    """`panel(view)` answers every request by `view`."""
    monkeypatch.setattr("django.db.close_old_connections", lambda **_: None)

    def make(view: Callable[[HttpRequest], HttpResponseBase]) -> Panel:
        made = Panel()
        monkeypatch.setattr(made, "get_response", view)
        return made

    return make


class Client:
    """One request: what it was sent, and when it leaves."""

    def __init__(self) -> None:
        self.body = b""
        self.left = asyncio.Event()
        self._asked = False

    async def receive(self) -> dict[str, Any]:
        if not self._asked:
            self._asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        self.body += message.get("body", b"")


async def _requests(panel: Panel, count: int) -> list[str]:
    """The bodies of `count` requests at once."""
    clients = [Client() for _ in range(count)]
    await asyncio.gather(*(panel(dict(_SCOPE), one.receive, one.send) for one in clients))
    return [one.body.decode() for one in clients]


def _crowd(panel: Callable[..., Panel], count: int) -> tuple[Panel, list[threading.Thread]]:
    """A panel whose requests wait for each other, `count` at once, and their threads."""
    all_in, threads = threading.Barrier(count, timeout=10), []

    def meet(request: HttpRequest) -> HttpResponse:
        threads.append(threading.current_thread())
        all_in.wait()
        return HttpResponse("met")

    return panel(meet), threads


def test_a_thread_serves_one_request_after_the_other(panel):
    def tell(request: HttpRequest) -> HttpResponse:
        return HttpResponse(str(threading.get_ident()))

    async def scenario(panel: Panel) -> list[str]:
        return [*await _requests(panel, 1), *await _requests(panel, 1)]

    first, second = asyncio.run(scenario(panel(tell)))
    assert first == second != str(threading.get_ident())


def test_requests_at_once_have_a_thread_each(panel):
    crowded, threads = _crowd(panel, _KEPT + 4)
    assert asyncio.run(_requests(crowded, _KEPT + 4)) == ["met"] * (_KEPT + 4)
    assert len(set(threads)) == _KEPT + 4


def test_readers_take_turns(panel):
    inside: set[int] = set()
    most: list[int] = []

    def work(request: HttpRequest) -> HttpResponse:
        inside.add(threading.get_ident())
        time.sleep(0.01)
        most.append(len(inside))
        inside.discard(threading.get_ident())
        return HttpResponse("done")

    assert asyncio.run(_requests(panel(work), 6)) == ["done"] * 6
    assert max(most) <= 2


def test_a_crowd_leaves_a_bounded_number_of_threads(panel):
    crowded, threads = _crowd(panel, _KEPT + 4)
    asyncio.run(_requests(crowded, _KEPT + 4))
    for thread in threads:
        thread.join(0.2)
    assert sum(thread.is_alive() for thread in threads) == _KEPT


def test_a_thread_is_not_used_again_before_it_is_done(panel):
    """Although the request that began its work was given up."""
    go = threading.Event()

    def wait(request: HttpRequest) -> HttpResponse:
        go.wait(10)
        return HttpResponse(str(threading.get_ident()))

    async def scenario(panel: Panel) -> list[str]:
        given_up = asyncio.ensure_future(_requests(panel, 1))
        await asyncio.sleep(0.05)
        given_up.cancel()
        later = asyncio.ensure_future(_requests(panel, 1))
        await asyncio.sleep(0.05)
        assert not panel._idle
        go.set()
        return await later

    assert asyncio.run(scenario(panel(wait)))


@pytest.mark.parametrize("leaves", [True, False])
def test_a_stream_holds_no_thread_and_is_closed(panel, leaves):
    ended: list[str] = []

    async def items(until: asyncio.Event) -> AsyncIterator[str]:
        try:
            yield "begun"
            await until.wait()
            yield " ended"
        finally:
            ended.append("stream")

    async def scenario() -> tuple[bytes, int]:
        over, client = asyncio.Event(), Client()

        def view(request: HttpRequest) -> HttpResponseBase:
            response = StreamingHttpResponse(items(over))
            response._resource_closers.append(lambda: ended.append("response"))
            return response

        made = panel(view)
        running = asyncio.ensure_future(made(dict(_SCOPE), client.receive, client.send))
        while not client.body:
            await asyncio.sleep(0.01)
        idle = len(made._idle)
        (client.left if leaves else over).set()
        await asyncio.wait_for(running, 5)
        return client.body, idle

    body, idle = asyncio.run(scenario())
    assert (body, idle) == (b"begun" if leaves else b"begun ended", 1)
    assert ended == ["stream", "response"]
