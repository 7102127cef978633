"""A request's body as a stream of bounded chunks, unpacked if it came gzipped."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from typing import Any

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]

LARGEST_BODY = 1152 * 1024 * 1024
"""Bytes after unpacking: a little above git's own limit, whose text is the better one."""

_STALL = 300.0  # seconds without a byte: a client may compute deltas for a while
_UNPACKED_CHUNK = 256 * 1024
_GZIP = 31  # zlib's window bits for a gzip header and trailer


class BodyError(Exception):
    """The body ended before it was complete: gone client, stall, bad gzip, too large."""


async def chunks(receive: Receive, *, gzipped: bool) -> AsyncIterator[bytes]:
    """Yield the body's bytes, at most LARGEST_BODY in all.

    Raises:
        BodyError: see there.
    """
    total = 0
    source = _received(receive)
    async for chunk in _unpacked(source) if gzipped else source:
        total += len(chunk)
        if total > LARGEST_BODY:
            raise BodyError("the body is too large")
        yield chunk


async def _received(receive: Receive) -> AsyncIterator[bytes]:
    more = True
    while more:
        try:
            async with asyncio.timeout(_STALL):
                message = await receive()
        except TimeoutError as error:
            raise BodyError("the client sent nothing for too long") from error
        if message["type"] == "http.disconnect":
            raise BodyError("the client has gone")
        more = message.get("more_body", False)
        if body := message.get("body"):
            yield body


async def _unpacked(source: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    unpacker = zlib.decompressobj(_GZIP)
    async for packed in source:
        while packed:
            try:
                chunk = unpacker.decompress(packed, _UNPACKED_CHUNK)
            except zlib.error as error:
                raise BodyError("the body is not gzip") from error
            packed = unpacker.unconsumed_tail
            if chunk:
                yield chunk
    if not unpacker.eof:
        raise BodyError("the gzipped body is incomplete")
