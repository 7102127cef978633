"""Connects one client with one git process, both ways, in bounded memory."""

from __future__ import annotations

import asyncio
import contextlib
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from typing import Protocol

from paas.gateway import git
from paas.gateway.bodies import BodyError

_CHUNK = 64 * 1024
_BACKLOG = 64  # chunks of output a client may lag behind: 4 MiB


class Client(Protocol):
    """The one who reads the answer: connected, or `gone` for good."""

    gone: bool

    @property
    def duplex(self) -> bool:
        """Whether the answer may begin before the body has ended."""
        ...

    async def begin(self) -> None:
        """Start the answer."""
        ...

    async def write(self, chunk: bytes) -> None:
        """Send `chunk`; a client that does not accept it in two minutes is gone."""
        ...

    async def finish(self, status: int) -> bool:
        """End the answer of a git that exited with `status`.

        Returns:
            Whether the client was there to the last.
        """
        ...

    def drop(self) -> None:
        """Give the client up, also in the middle of a chunk it does not take."""
        ...


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
        BodyError: the body was not complete; git has ended by itself, and
            the rest of its answer was dropped.
    """
    output: asyncio.Queue[bytes] = asyncio.Queue(_BACKLOG)
    collecting = asyncio.create_task(_collect(process, output, client, owned=owned))
    feeding = asyncio.create_task(_feed(process, body, client))
    try:
        if not client.duplex:
            await feeding
        await client.begin()
        while chunk := await output.get():
            await client.write(chunk)
        status = await process.wait()
    finally:
        collecting.cancel()
        feeding.cancel()  # git may end without having read all
        if not owned:
            git.kill(process)
    if feeding.done() and (cut := feeding.result()):
        raise cut
    return await client.finish(status)


async def _feed(process: Process, body: AsyncIterator[bytes], client: Client) -> BodyError | None:
    """Fill git's standard input; when git has stopped reading, drop the rest."""
    stdin = process.stdin
    assert stdin is not None
    try:
        async for chunk in body:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                stdin.write(chunk)
                await stdin.drain()
    except BodyError as cut:
        client.drop()
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
