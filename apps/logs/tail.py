"""An app's log as it grows: history from the file, then the stream, without gap or repetition.

The two are joined by the line's id, which both carry: what the file gave is
not taken from the stream again. While Redis is away the file is polled. No
Django here.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from apps.logs import store
from apps.logs.lines import LineId, LogLine, Message
from apps.logs.store import Filter

QUIET_SECONDS = 15.0
"""After so long without a line the caller is given a chance to send a sign of life."""
POLL_SECONDS = 0.5
FIELD = "line"


def stream_of(app_id: str) -> str:
    """The key of an app's stream in Redis."""
    return f"log:{app_id}"


@dataclass(frozen=True)
class Request:
    """What somebody wants to read.

    `count` lines of history; `after`, if given, asks for all lines behind it
    instead (a reader that was cut off). `follow` goes on with what comes.
    """

    count: int = 100
    follow: bool = False
    wanted: Filter = store.ANY
    after: LineId | None = None


async def read(app_dir: Path, redis_url: str, request: Request) -> AsyncIterator[list[LogLine]]:
    """Batches of lines, oldest first; an empty one after `QUIET_SECONDS` of silence.

    It ends after the history, or, following, when the app's logs are removed.
    """
    position = await asyncio.to_thread(store.last_id, app_dir)
    history = await asyncio.to_thread(_history, app_dir, request)
    yield history
    if not request.follow:
        return
    position = max([position, *(line.id for line in history[-1:])])
    redis = _client(redis_url)
    try:
        async for lines in _growing(app_dir, redis, position):
            yield [line for line in lines if request.wanted.matches(line.source, line.process)]
    finally:
        await redis.aclose()


def _history(app_dir: Path, request: Request) -> list[LogLine]:
    if request.after is None:
        return store.tail(app_dir, request.count, request.wanted)
    missed = store.since(app_dir, request.after)
    return [line for line in missed if request.wanted.matches(line.source, line.process)]


async def _growing(app_dir: Path, redis: Redis, position: LineId) -> AsyncIterator[list[LogLine]]:
    loop = asyncio.get_running_loop()
    spoken = loop.time()
    while True:
        try:
            lines = await _from_stream(redis, app_dir.name, position)
        except (RedisError, OSError):
            await asyncio.sleep(POLL_SECONDS)
            lines = await asyncio.to_thread(store.since, app_dir, position)
        if lines:
            position = lines[-1].id
        elif not app_dir.exists():
            return
        if lines or loop.time() - spoken >= QUIET_SECONDS:
            spoken = loop.time()
            yield lines


async def _from_stream(redis: Redis, app_id: str, position: LineId) -> list[LogLine]:
    quiet = round(QUIET_SECONDS * 1000)
    # redis-py types the answer for every version of the protocol at once; ours is version 2's.
    answer: Any = await redis.xread({stream_of(app_id): str(position)}, block=quiet)
    return [
        LogLine(LineId.parse(key), Message.parse(fields[FIELD]))
        for _, entries in answer
        for key, fields in entries
    ]


def _client(url: str) -> Redis:
    client: Redis = Redis.from_url(
        url,
        decode_responses=True,
        socket_timeout=QUIET_SECONDS + 5,
        socket_connect_timeout=2.0,
        retry=Retry(NoBackoff(), 0),
    )
    return client
