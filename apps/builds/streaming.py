"""A growing log as an HTTP answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator

from django.http import StreamingHttpResponse

from apps.builds.log import LogFile

_POLL = 0.02
_QUIET = 10.0  # seconds of silence after which a NUL keeps proxies from cutting the stream


def streamed(chunks: AsyncIterator[bytes]) -> StreamingHttpResponse:
    """`chunks` of plain text as they come."""
    response = StreamingHttpResponse(chunks, content_type="text/plain; charset=utf-8")
    response["Cache-Control"] = "no-cache"
    response["X-Accel-Buffering"] = "no"
    response["X-Content-Type-Options"] = "nosniff"
    return response


async def follow_log(log: LogFile, *, final: bool) -> AsyncGenerator[bytes]:
    """All lines so far and to come, until the end record.

    Args:
        final: nothing more will be written, whether or not there is an end record.
    """
    quiet, offset = 0.0, 0
    while True:
        chunk, offset = log.read_from(offset)
        if not chunk and final:
            return
        if not chunk:
            await asyncio.sleep(_POLL)
            quiet += _POLL
            if quiet >= _QUIET:
                quiet = 0.0
                yield b"\0"  # Heroku's keep-alive; clients drop it
            continue
        quiet = 0.0
        text, end_mark, _ = chunk.partition("\0")
        if text:
            yield text.encode()
        if end_mark:
            return
