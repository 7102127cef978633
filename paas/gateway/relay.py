"""Connects one HTTP request with one git process, both ways, in bounded memory.

git's client reads nothing before it has sent everything, and a proxy may cut
a request whose answer begins too early: so the answer starts when the body
has been read to its end.
"""

from __future__ import annotations

import asyncio
import contextlib
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Awaitable, Callable

from paas.gateway import git
from paas.gateway.bodies import BodyError, Message, Receive

Send = Callable[[Message], Awaitable[None]]

_CHUNK = 64 * 1024
_BACKLOG = 64  # chunks of output a client may lag behind: 4 MiB
_STALL = 120.0  # seconds a client may take to accept a chunk


class Client:
    """The one who reads the answer: connected, or gone for good."""

    def __init__(self, receive: Receive, send: Send, content_type: str) -> None:
        self._receive, self._send = receive, send
        self._content_type = content_type
        self._watching: asyncio.Task[None] | None = None
        self._patience: asyncio.Timeout | None = None  # of the chunk that is being sent
        self.gone = False

    async def begin(self) -> None:
        """Start the answer, when the request's body has been read."""
        self._watching = asyncio.create_task(self._watch())
        headers = [
            (b"content-type", self._content_type.encode()),
            (b"cache-control", b"no-cache, max-age=0, must-revalidate"),
        ]
        await self._deliver({"type": "http.response.start", "status": 200, "headers": headers})

    async def write(self, chunk: bytes) -> None:
        """Send `chunk`; a client that does not accept it in two minutes is gone."""
        await self._deliver({"type": "http.response.body", "body": chunk, "more_body": True})

    async def finish(self) -> bool:
        """End the answer; returns whether the client was there to the last."""
        if self._watching:
            self._watching.cancel()  # the server reports a complete answer as a disconnect
        await self._deliver({"type": "http.response.body", "body": b"", "more_body": False})
        return not self.gone

    def drop(self) -> None:
        """Give the client up, also in the middle of a chunk it does not take."""
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


async def exchange(
    process: Process, body: AsyncIterator[bytes], client: Client, *, owned: bool
) -> bool:
    """Feed `body` to `process` and its output to `client`.

    Args:
        owned: the process has a life of its own (receive-pack): it runs to
            its end whether or not the client listens, and never waits for
            it. Otherwise it waits for a slow client and dies with a gone one.

    Returns:
        Whether the whole answer went to a connected client.

    Raises:
        BodyError: the body was not complete; git has failed by itself, and no
            answer was begun.
    """
    output: asyncio.Queue[bytes] = asyncio.Queue(_BACKLOG)
    collecting = asyncio.create_task(_collect(process, output, client, owned=owned))
    try:
        cut = await _feed(process, body)
        if cut:
            client.gone = True
        else:
            await client.begin()
        while chunk := await output.get():
            await client.write(chunk)
        if await process.wait() != 0:
            # After a well-ended answer without a verdict, git's client waits for
            # ever; after a broken one it says that the server hung up.
            client.gone = True
    finally:
        collecting.cancel()
        if not owned:
            git.kill(process)
    if cut:
        raise cut
    return await client.finish()


async def _feed(process: Process, body: AsyncIterator[bytes]) -> BodyError | None:
    """Fill git's standard input; when git has stopped reading, drop the rest."""
    stdin = process.stdin
    assert stdin is not None
    try:
        async for chunk in body:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                stdin.write(chunk)
                await stdin.drain()
    except BodyError as cut:
        return cut
    finally:
        stdin.close()
    return None


async def _collect(
    process: Process, output: asyncio.Queue[bytes], client: Client, *, owned: bool
) -> None:
    """Move git's output to `output`, and an empty chunk as its end."""
    assert process.stdout is not None
    while chunk := await process.stdout.read(_CHUNK):
        if owned and output.full() and not client.gone:
            client.drop()
        if not client.gone:
            await output.put(chunk)
        elif not owned:
            git.kill(process)
    await output.put(b"")
