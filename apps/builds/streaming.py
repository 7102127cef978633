"""A growing log as an HTTP answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator

from django.http import StreamingHttpResponse

from apps.builds.log import LogFile

_POLL = 0.02
_QUIET = 10.0  # seconds of silence after which a sign of life keeps proxies from cutting in


def streamed(chunks: AsyncIterator[bytes]) -> StreamingHttpResponse:
    """`chunks` of plain text as they come."""
    response = StreamingHttpResponse(chunks, content_type="text/plain; charset=utf-8")
    response["Cache-Control"] = "no-cache"
    response["X-Accel-Buffering"] = "no"
    response["X-Content-Type-Options"] = "nosniff"
    return response


async def follow(log: LogFile, offset: int, *, final: bool) -> AsyncGenerator[tuple[str, int]]:
    """Text from `offset` on as it comes, each with the offset behind it, until the end record.

    Args:
        final: nothing more will be written, whether or not there is an end record.

    An empty text is a sign of life after `_QUIET` seconds of silence.
    """
    quiet = 0.0
    while True:
        chunk, offset = log.read_from(offset)
        if not chunk and final:
            return
        if not chunk:
            await asyncio.sleep(_POLL)
            quiet += _POLL
            if quiet >= _QUIET:
                quiet = 0.0
                yield "", offset
            continue
        quiet = 0.0
        text, end_mark, _ = chunk.partition("\0")
        if text:
            yield text, offset
        if end_mark:
            return


async def follow_log(log: LogFile, *, final: bool) -> AsyncGenerator[bytes]:
    """All of it as Heroku's clients take it; they drop the NULs that keep the stream alive."""
    async for text, _ in follow(log, 0, final=final):
        yield text.encode() or b"\0"
