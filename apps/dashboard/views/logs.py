"""An app's log: the newest lines, and what comes, filtered."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable
from dataclasses import dataclass

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase, QueryDict
from django.urls import reverse

from apps.accounts.errors import Refused
from apps.accounts.policy import Actor
from apps.catalog.models import App
from apps.catalog.queries import get_app
from apps.dashboard.entry import actor_of_stream, page, show
from apps.dashboard.frame import frame_of
from apps.dashboard.streams import SIGN_OF_LIFE, event, refused, stream
from apps.formation.scale import formation_of
from apps.logs import store, tail
from apps.logs.lines import APP, FIRST, PLATFORM, LineError, LineId, LogLine

SHOWN = 500
_SOURCES = (APP, PLATFORM)


@dataclass(frozen=True)
class Search:
    """What of the log is wanted."""

    where: store.Filter
    text: str = ""

    def matches(self, line: LogLine) -> bool:
        return self.text.casefold() in line.text.casefold()


@page
def show_logs(request: HttpRequest, actor: Actor, name: str) -> HttpResponse:
    frame = frame_of(actor, name)
    search, folder = _search(request.GET), settings.INSTANCE.app_logs / str(frame.app.id)
    seen = store.last_id(folder)
    count = store.MAX_LINES if search.text else SHOWN
    found = [line for line in store.tail(folder, count, search.where) if search.matches(line)]
    lines = found[-SHOWN:]
    query = request.GET.copy()
    query["after"] = str(max([seen, *(line.id for line in lines[-1:])]))
    return show(
        request,
        actor,
        "logs",
        frame=frame,
        tab="logs",
        lines=[_shown(line) for line in lines],
        search=search,
        sources=_SOURCES,
        types=[row.type for row in formation_of(frame.app)],
        events=f"{reverse('dashboard:log-events', args=[name])}?{query.urlencode()}",
    )


def events(request: HttpRequest, name: str) -> HttpResponseBase:
    def find() -> App:
        return get_app(actor_of_stream(request), name)

    try:
        app = find()
    except Refused as error:
        return refused(error)
    return stream(_events(app, _search(request.GET), _after(request)), find)


async def _events(app: App, search: Search, after: LineId) -> AsyncGenerator[str]:
    folder = settings.INSTANCE.app_logs / str(app.id)
    wanted = tail.Request(follow=True, wanted=search.where, after=after)
    async for lines in tail.read(folder, settings.REDIS_URL, wanted):
        yield _encoded([line for line in lines if search.matches(line)]) or SIGN_OF_LIFE


def _encoded(lines: Iterable[LogLine]) -> str:
    shown = [(line.id, _shown(line)) for line in lines]
    return event(shown[-1][0], [line for _, line in shown]) if shown else ""


def _shown(line: LogLine) -> tuple[str, str, str]:
    """Kind, text, and what stands before it."""
    moment = line.time.strftime("%H:%M:%S")
    return line.source, line.text, f"{moment} {line.source}[{line.process}]"


def _search(query: QueryDict) -> Search:
    where = store.Filter(query.get("source", ""), query.get("process", "").strip())
    return Search(where, query.get("text", "").strip())


def _after(request: HttpRequest) -> LineId:
    try:
        return LineId.parse(request.headers.get("Last-Event-ID") or request.GET.get("after", ""))
    except LineError:
        return FIRST
