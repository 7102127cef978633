"""A growing log as an HTTP answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from django.http import StreamingHttpResponse

from apps.builds.log import LogFile

_POLL = 0.02
_QUIET = 10.0  # seconds of silence after which a NUL keeps proxies from cutting the stream


def stream_log(log: LogFile, *, final: bool) -> StreamingHttpResponse:
    """All lines so far and to come, as plain text, until the end record.

    Args:
        final: nothing more will be written, whether or not there is an end record.
    """
    response = StreamingHttpResponse(_chunks(log, final), content_type="text/plain; charset=utf-8")
    response["Cache-Control"] = "no-cache"
    response["X-Accel-Buffering"] = "no"
    response["X-Content-Type-Options"] = "nosniff"
    return response


async def _chunks(log: LogFile, final: bool) -> AsyncIterator[bytes]:
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
