"""Server-sent events for the pages: JSON lines, for as long as the reader may see them."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable

from asgiref.sync import sync_to_async
from django.http import HttpResponse, HttpResponseBase, StreamingHttpResponse

from apps.accounts.errors import Refused
from apps.dashboard.guard import secure

RECHECK = 10.0
"""Seconds after which a stream asks again whether its reader may go on."""

SIGN_OF_LIFE = ":\n\n"
END = "event: end\ndata:\n\n"


def event(key: object, data: object) -> str:
    """One event with the id from which a reader that was cut off goes on."""
    return f"id: {key}\ndata: {json.dumps(data)}\n\n"


def stream(events: AsyncIterator[str], allowed: Callable[[], object]) -> HttpResponseBase:
    """The answer that carries `events`.

    Args:
        allowed: raises `Refused` when the reader has lost the right meanwhile
            (signed out, deactivated, no longer a collaborator).
    """
    return secure(
        StreamingHttpResponse(
            _guarded(events, sync_to_async(allowed)),
            content_type="text/event-stream; charset=utf-8",
            headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
        )
    )


def refused(error: Refused) -> HttpResponseBase:
    """204 tells an EventSource to stop trying; the page itself says what is wrong."""
    status = 204 if error.status == 404 else error.status
    return secure(HttpResponse(status=status))


async def _guarded(
    events: AsyncIterator[str], allowed: Callable[[], Awaitable[object]]
) -> AsyncIterator[str]:
    yield SIGN_OF_LIFE  # so that the headers leave although nothing was logged yet
    checked = time.monotonic()
    async for one in events:
        if time.monotonic() - checked > RECHECK:
            try:
                await allowed()
            except Refused:
                yield END
                return
            checked = time.monotonic()
        yield one
    yield END
