"""Log sessions over the API: who may, what they show, history joined with the tail."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import redis
from asgiref.sync import sync_to_async
from django.conf import settings
from django.core.handlers.asgi import ASGIRequest
from django.http import StreamingHttpResponse
from django.test import AsyncClient, AsyncRequestFactory

from apps.accounts.models import User
from apps.catalog.models import App
from apps.logs import sessions, store, tail
from apps.logs.lines import Message
from apps.logs.store import Writer
from apps.logs.tail import stream_of
from apps.logs.views import stream_session

pytestmark = pytest.mark.django_db(transaction=True)

AT = datetime(2026, 11, 23, tzinfo=UTC)


class Log:
    """An app's log as the observer writes it; `publish=False` keeps lines from the stream."""

    def __init__(self, folder: Path, redis_url: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self._writer = folder, Writer(folder)
        self._redis = redis.Redis.from_url(redis_url)
        self._ms = 0

    def write(self, *texts: str, process: str = "web.1", publish: bool = True) -> None:
        self._ms += 1
        messages = [Message(AT, "app", process, text) for text in texts]
        for line in self._writer.append(messages, self._ms):
            if publish:
                self._redis.xadd(stream_of(self.folder.name), {"line": str(line)}, id=str(line.id))


@pytest.fixture
def log(hello: App, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Log]:
    monkeypatch.setattr(settings, "REDIS_URL", redis_url)
    folder = settings.INSTANCE.app_logs / str(hello.id)
    yield Log(folder, redis_url)
    store.remove(folder)


@pytest.fixture
def session(api: Callable[..., Any], alice: User, log: Log) -> Callable[..., str]:
    """`session(lines=…)` is the path of a fresh session on Alice's app."""

    def make(**body: Any) -> str:
        status, answer = api(alice)("POST", "/apps/hello/log-sessions", body)
        assert status == 201, answer
        return str(urlsplit(answer["logplex_url"]).path)

    return make


async def events(path: str, last_event_id: str = "") -> AsyncIterator[tuple[str, str]]:
    """(id, text) of each event of a session's stream."""
    headers = {"Last-Event-ID": last_event_id} if last_event_id else {}
    request: ASGIRequest = AsyncRequestFactory().get(path, headers=headers)
    response = await sync_to_async(stream_session)(request, path.rsplit("/", 1)[1])
    assert isinstance(response, StreamingHttpResponse)
    async for chunk in response:
        for event in chunk.decode().split("\n\n"):
            if event.startswith("id: "):
                key, line = event.split("\n")
                yield key.removeprefix("id: "), Message.parse(line.removeprefix("data: ")).text


async def all_texts(path: str, last_event_id: str = "") -> list[str]:
    return [text async for _, text in events(path, last_event_id)]


async def taken(stream: AsyncIterator[tuple[str, str]], count: int) -> list[str]:
    async def take() -> list[str]:
        return [(await anext(stream))[1] for _ in range(count)]

    return await asyncio.wait_for(take(), 30)


def run(work: Awaitable[Any]) -> Any:
    async def wrapped() -> Any:
        return await work

    return asyncio.run(wrapped())


def test_history_comes_oldest_first_and_ends(log: Log, session: Callable[..., str]) -> None:
    log.write("a", "b", "c")
    assert run(all_texts(session(lines=2))) == ["b", "c"]


def test_a_session_may_be_asked_for_without_a_body(
    api: Callable[..., Any], alice: User, log: Log
) -> None:
    status, answer = api(alice)("POST", "/apps/hello/log-sessions")
    assert status == 201
    assert set(answer) == {"id", "logplex_url", "created_at", "updated_at"}
    assert answer["logplex_url"].startswith(settings.INSTANCE.origin + "/log-sessions/")


def test_the_tail_follows_the_history(log: Log, session: Callable[..., str]) -> None:
    async def scene(path: str) -> list[str]:
        stream = events(path)
        seen = await taken(stream, 2)
        log.write("c")
        log.write("other", process="worker.1")
        log.write("d")
        return seen + await taken(stream, 2)

    log.write("a", "b")
    assert run(scene(session(tail=True, dyno="web"))) == ["a", "b", "c", "d"]


def test_nothing_is_lost_or_repeated_where_file_and_stream_meet(
    log: Log, session: Callable[..., str]
) -> None:
    async def scene(path: str) -> list[str]:
        writing = asyncio.create_task(asyncio.to_thread(write_on))
        seen = await taken(events(path), 1500)
        await writing
        return seen

    def write_on() -> None:
        for i in range(500, 1500):
            log.write(str(i))

    log.write(*map(str, range(500)))
    assert run(scene(session(tail=True, lines=1500))) == [str(i) for i in range(1500)]


def test_a_reader_that_was_cut_off_goes_on_behind_its_last_line(
    log: Log, session: Callable[..., str]
) -> None:
    async def scene(path: str) -> list[str]:
        key, _ = await anext(events(path))
        stream = events(path, key)
        seen = await taken(stream, 2)
        log.write("d")
        return seen + await taken(stream, 1)

    log.write("a", "b", "c")
    assert run(scene(session(tail=True))) == ["b", "c", "d"]


def test_the_tail_goes_on_from_the_file_while_redis_is_away(
    log: Log, session: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scene(path: str) -> list[str]:
        stream = events(path)
        seen = await taken(stream, 1)
        log.write("b", publish=False)
        return seen + await taken(stream, 1)

    monkeypatch.setattr(settings, "REDIS_URL", "unix:///nowhere.sock")
    log.write("a", publish=False)
    assert run(scene(session(tail=True))) == ["a", "b"]


def test_silence_is_broken_by_signs_of_life_and_a_removed_app_ends_it(
    log: Log, session: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scene(path: str) -> list[str]:
        request: ASGIRequest = AsyncRequestFactory().get(path)
        response = await sync_to_async(stream_session)(request, path.rsplit("/", 1)[1])
        assert isinstance(response, StreamingHttpResponse)
        chunks = []
        async for chunk in response:
            chunks.append(chunk.decode())
            if len(chunks) == 4:
                store.remove(log.folder)
        return chunks

    monkeypatch.setattr(tail, "QUIET_SECONDS", 0.05)
    chunks = run(asyncio.wait_for(scene(session(tail=True)), 30))
    assert len(chunks) >= 4
    assert set(chunks) == {":\n\n"}


def test_the_answer_is_not_buffered_or_kept(log: Log, session: Callable[..., str]) -> None:
    async def scene(path: str) -> Any:
        return await AsyncClient().get(path, headers={"Host": "localhost"})

    response = run(scene(session()))
    assert response.status_code == 200
    assert response["Content-Type"].startswith("text/event-stream")
    assert response["Cache-Control"] == "no-cache"
    assert response["X-Accel-Buffering"] == "no"


def test_another_s_app_does_not_exist(api: Callable[..., Any], bob: User, log: Log) -> None:
    assert api(bob)("POST", "/apps/hello/log-sessions", {})[0] == 404


@pytest.mark.parametrize("name", ["web.1; ls", "../x", "w" * 101, "web[1]", "web.1\n"])
def test_a_process_that_is_no_name_is_refused(
    api: Callable[..., Any], alice: User, log: Log, name: str
) -> None:
    status, answer = api(alice)("POST", "/apps/hello/log-sessions", {"dyno": name})
    assert (status, answer["id"]) == (422, "invalid_params")


def test_a_forged_or_late_address_opens_nothing(
    log: Log, session: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def status(path: str) -> int:
        return (await AsyncClient().get(path, headers={"Host": "localhost"})).status_code

    path = session()
    assert run(status(path + "x")) == 404
    monkeypatch.setattr(sessions, "LIFE", -1)
    assert run(status(path)) == 404
