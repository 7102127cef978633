"""Whoever pushes or fetches over HTTP, as the reader of one answer.

git's client reads nothing before it has sent everything, and a proxy may cut
a request whose answer begins too early: so the answer starts when the body
has been read to its end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from paas.gateway.bodies import Message, Receive

Send = Callable[[Message], Awaitable[None]]

_STALL = 120.0  # seconds a client may take to accept a chunk


class HttpClient:
    """One answer. See `relay.Client`."""

    duplex = False

    def __init__(self, receive: Receive, send: Send, content_type: str) -> None:
        self._receive, self._send = receive, send
        self._content_type = content_type
        self._watching: asyncio.Task[None] | None = None
        self._patience: asyncio.Timeout | None = None  # of the chunk that is being sent
        self.gone = False

    async def begin(self) -> None:
        if self.gone:
            return
        self._watching = asyncio.create_task(self._watch())
        headers = [
            (b"content-type", self._content_type.encode()),
            (b"cache-control", b"no-cache, max-age=0, must-revalidate"),
        ]
        await self._deliver({"type": "http.response.start", "status": 200, "headers": headers})

    async def write(self, chunk: bytes) -> None:
        await self._deliver({"type": "http.response.body", "body": chunk, "more_body": True})

    async def finish(self, status: int) -> bool:
        if self._watching:
            self._watching.cancel()  # the server reports a complete answer as a disconnect
        if status != 0:
            # After a well-ended answer without a verdict, git's client waits for
            # ever; after a broken one it says that the server hung up.
            self.gone = True
        await self._deliver({"type": "http.response.body", "body": b"", "more_body": False})
        return not self.gone

    def drop(self) -> None:
        self.gone = True
        if self._patience:
            self._patience.reschedule(asyncio.get_running_loop().time())

    async def _deliver(self, message: Message) -> None:
        if self.gone:
            return
        try:
            async with asyncio.timeout(_STALL) as self._patience:
                await self._send(message)
        except TimeoutError:
            self.gone = True
        finally:
            self._patience = None

    async def _watch(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self.gone = True
