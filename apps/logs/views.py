"""A log session as server-sent events."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase, JsonResponse, StreamingHttpResponse

from apps.accounts.errors import NotFound
from apps.catalog import watching
from apps.logs import tail
from apps.logs.lines import LogLine
from apps.logs.sessions import Opened, open_session

_SIGN_OF_LIFE = ":\n\n"


def stream_session(request: HttpRequest, ticket: str) -> HttpResponseBase:
    """The lines of the session, each an event with its id; `Last-Event-ID` resumes."""
    try:
        opened = open_session(ticket, request.headers.get("Last-Event-ID", ""))
        if not watching.may_view(opened.reader, opened.app_id):
            raise NotFound("Couldn't find that app.")
    except NotFound as error:
        return JsonResponse({"id": error.id, "message": error.message}, status=error.status)
    return StreamingHttpResponse(
        watching.while_permitted(_events(opened), opened.reader, opened.app_id),
        content_type="text/event-stream; charset=utf-8",
        headers={"Cache-Control": "no-cache", "X-Accel-Buffering": "no"},
    )


async def _events(opened: Opened) -> AsyncGenerator[str]:
    app_dir = settings.INSTANCE.app_logs / str(opened.app_id)
    yield _SIGN_OF_LIFE  # so that the headers leave although nothing was logged yet
    async for lines in tail.read(app_dir, settings.REDIS_URL, opened.request):
        yield _encode(lines) or _SIGN_OF_LIFE


def _encode(lines: Iterable[LogLine]) -> str:
    return "".join(f"id: {line.id}\ndata: {line}\n\n" for line in lines)
