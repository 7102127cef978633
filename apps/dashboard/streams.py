"""Server-sent events for the pages: JSON lines, for as long as the reader may see them."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from asgiref.sync import sync_to_async
from django.db import close_old_connections
from django.http import HttpResponse, HttpResponseBase, StreamingHttpResponse

from apps.accounts.errors import Refused
from apps.catalog.watching import while_true
from apps.dashboard.guard import secure

SIGN_OF_LIFE = ":\n\n"
END = "event: end\ndata:\n\n"


def event(key: object, data: object) -> str:
    """One event with the id from which a reader that was cut off goes on."""
    return f"id: {key}\ndata: {json.dumps(data)}\n\n"


def stream(events: AsyncGenerator[str], look: Callable[[], object]) -> HttpResponseBase:
    """The answer that carries `events`.

    Args:
        look: raises `Refused` when the reader has lost the right meanwhile
            (signed out, deactivated, no longer a collaborator).
    """
    return secure(
        StreamingHttpResponse(
            _permitted(events, look),
            content_type="text/event-stream; charset=utf-8",
            headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
        )
    )


def refused(error: Refused) -> HttpResponseBase:
    """204 tells an EventSource to stop trying; the page itself says what is wrong."""
    status = 204 if error.status == 404 else error.status
    return secure(HttpResponse(status=status))


async def _permitted(
    events: AsyncGenerator[str], look: Callable[[], object]
) -> AsyncGenerator[str]:
    def may_look() -> bool:
        close_old_connections()
        try:
            look()
        except Refused:
            return False
        return True

    yield SIGN_OF_LIFE  # so that the headers leave although nothing was logged yet
    permitted = sync_to_async(may_look, thread_sensitive=False)
    async with aclosing(while_true(events, permitted)) as lines:
        async for one in lines:
            yield one
    yield END
