"""Threads of the panel's requests: kept for the next one, never shared by two, bounded."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from asgiref.sync import sync_to_async

from paas.asgi import _KEPT, Panel


@pytest.fixture
def panel(monkeypatch: pytest.MonkeyPatch) -> Panel:
    """A panel whose requests tell (to `send`) the thread of their synchronous code."""
    panel = Panel()

    async def tell(scope: Any, receive: Any, send: Any) -> None:
        thread = await sync_to_async(threading.current_thread)()
        await receive()
        await send(thread)
        assert await sync_to_async(threading.current_thread)() is thread

    monkeypatch.setattr(panel, "_django", tell)
    return panel


async def _requests(panel: Panel, count: int) -> list[threading.Thread]:
    """The threads of `count` requests that are all under way at once."""
    told: list[Any] = []
    go = asyncio.Event()

    async def send(thread: Any) -> None:
        told.append(thread)

    running = [asyncio.create_task(panel({}, go.wait, send)) for _ in range(count)]  # type: ignore[arg-type]
    await asyncio.sleep(0.05)
    go.set()
    await asyncio.gather(*running)
    return told


def test_a_thread_serves_one_request_after_the_other(panel):
    async def scenario():
        return [*await _requests(panel, 1), *await _requests(panel, 1)]

    first, second = asyncio.run(scenario())
    assert first is second


def test_requests_at_once_have_a_thread_each(panel):
    threads = asyncio.run(_requests(panel, _KEPT + 4))
    assert len(set(threads)) == _KEPT + 4


def test_a_crowd_leaves_a_bounded_number_of_threads(panel):
    async def scenario():
        crowd = await _requests(panel, _KEPT + 4)
        for thread in crowd:
            thread.join(0.2)
        return sum(thread.is_alive() for thread in crowd)

    assert asyncio.run(scenario()) == _KEPT
