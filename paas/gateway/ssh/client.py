"""Whoever pushes or fetches over SSH: what they send, and what they read."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import asyncssh

from paas.gateway.bodies import LARGEST_BODY, BodyError

_AHEAD = 1024 * 1024  # bytes of the body that may wait for git
_STALL = 120.0  # seconds a client may take to accept a chunk
_SILENCE = 300.0  # seconds without a byte either way: a client may compute deltas for a while


class SshClient:
    """One channel. See `relay.Client`; the session tells it what happens to the channel."""

    duplex = True

    def __init__(self, channel: asyncssh.SSHServerChannel[bytes]) -> None:
        self._channel = channel
        self._arrived: asyncio.Queue[bytes | BodyError] = asyncio.Queue()  # b"" is the end
        self._waiting = 0  # bytes in it
        self._writable = asyncio.Event()
        self._writable.set()
        self._last_moved = _now()
        self._closed = asyncio.Event()
        self._closed_in_good_order = False
        self.gone = False

    # --- what happens to the channel --------------------------------------
    def receive(self, data: bytes) -> None:
        self._last_moved = _now()
        self._arrived.put_nowait(data)
        self._waiting += len(data)
        if self._waiting > _AHEAD:
            self._channel.pause_reading()

    def receive_end(self) -> None:
        self._arrived.put_nowait(b"")

    def pause(self) -> None:
        self._writable.clear()

    def resume(self) -> None:
        self._writable.set()

    def leave(self, *, in_good_order: bool) -> None:
        """The channel is closed; `in_good_order` if the client closed it, too."""
        self._arrived.put_nowait(BodyError("the client has gone"))
        self._closed_in_good_order = in_good_order
        self._closed.set()
        self.drop()

    # --- the body ---------------------------------------------------------
    async def body(self) -> AsyncIterator[bytes]:
        """What the client sends, at most LARGEST_BODY in all.

        Raises:
            BodyError: the client is gone, silent for too long, or sends too much.
        """
        total = 0
        while chunk := await self._next():
            total += len(chunk)
            if total > LARGEST_BODY:
                raise BodyError("it is too large")
            yield chunk

    async def _next(self) -> bytes:
        while True:
            try:
                async with asyncio.timeout(self._last_moved + _SILENCE - _now()):
                    item = await self._arrived.get()
                break
            except TimeoutError:
                if _now() - self._last_moved >= _SILENCE:
                    raise BodyError("nothing was sent for too long") from None
        if isinstance(item, BodyError):
            raise item
        self._last_moved = _now()  # git may have been the slow one
        self._waiting -= len(item)
        if self._waiting <= _AHEAD // 2:
            self._channel.resume_reading()
        return item

    # --- the answer -------------------------------------------------------
    async def begin(self) -> None:
        """There is nothing before the first chunk."""

    async def write(self, chunk: bytes) -> None:
        if self.gone:
            return
        try:
            self._channel.write(chunk)
            async with asyncio.timeout(_STALL):
                await self._writable.wait()
        except OSError:  # closed meanwhile; asyncio's TimeoutError is one, too
            self.drop()
        self._last_moved = _now()

    async def finish(self, status: int) -> bool:
        there = not self.gone
        if there:
            self._channel.exit(status)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_STALL):
                    await self._closed.wait()
        self._channel.abort()  # unless it is closed
        return there and self._closed_in_good_order

    def drop(self) -> None:
        self.gone = True
        self._writable.set()


def _now() -> float:
    return asyncio.get_running_loop().time()
