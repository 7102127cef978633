"""The tail of each app's log in Redis: a capped stream `log:<app id>`, field `line`.

The files are the truth. While Redis is away nothing waits for it; when it is
back, each stream is caught up from the file. So it is at the first line of an
app after a start: the last observer may have died between file and stream.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Iterable
from itertools import islice
from pathlib import Path

from redis.asyncio import Redis
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError

from apps.logs.lines import FIRST, LineId, LogLine
from apps.logs.store import since
from apps.logs.tail import FIELD, stream_of

STREAM_LINES = 2000
RETRY_SECONDS = 0.5
TIMEOUT_SECONDS = 2.0
"""How long one exchange with Redis may take before it counts as gone."""

_BATCH = 500
_ADD = f"""
for i = 1, #ARGV, 2 do
    redis.call("XADD", KEYS[1], "MAXLEN", "~", {STREAM_LINES}, ARGV[i], "{FIELD}", ARGV[i + 1])
end
"""
"""A batch as one command: a command a line costs us four times as much."""

logger = logging.getLogger(__name__)


class Publisher:
    """Sends lines to Redis from a task of its own.

    Args:
        url: of Redis ("unix:///…").
        app_logs: where `<app id>/` folders lie.
    """

    def __init__(self, url: str, app_logs: Path) -> None:
        self._redis: Redis = Redis.from_url(
            url,
            socket_timeout=TIMEOUT_SECONDS,
            socket_connect_timeout=TIMEOUT_SECONDS,
            decode_responses=True,
            retry=Retry(NoBackoff(), 0),
            redis_connect_func=self._connected,
        )
        self._add_lines = self._redis.register_script(_ADD)
        self._app_logs = app_logs
        self._queues: dict[str, deque[LogLine]] = {}
        self._current: set[str] = set()  # apps whose stream ends where our queue begins
        self._gone: set[str] = set()
        self._work = asyncio.Event()
        self._away = False
        self._swept = False

    def put(self, app_id: str, lines: Iterable[LogLine]) -> None:
        """Queue lines that are in the file already; never waits."""
        self._queues.setdefault(app_id, deque(maxlen=STREAM_LINES)).extend(lines)
        self._work.set()

    def drop(self, app_id: str) -> None:
        """The app is gone: delete its stream."""
        self._queues.pop(app_id, None)
        self._gone.add(app_id)
        self._work.set()

    async def run(self) -> None:
        """Send until cancelled."""
        while True:
            await self._work.wait()
            self._work.clear()
            try:
                await self._send_all()
                self._set_away(None)
            except (RedisError, OSError) as error:
                self._set_away(error)
                self._work.set()
                await asyncio.sleep(RETRY_SECONDS)

    async def close(self) -> None:
        """Send what is queued if Redis is there, and hang up."""
        try:
            await self._send_all()
        except (RedisError, OSError) as error:
            self._set_away(error)
        await self._redis.aclose()

    def _set_away(self, error: Exception | None) -> None:
        if error is not None and not self._away:
            logger.warning("Redis is away (%s); logs go on in files", error)
        elif error is None and self._away:
            logger.info("Redis is back; streams are caught up")
        self._away = error is not None
        if error is not None:
            self._current.clear()

    async def _connected(self, connection: AbstractConnection) -> None:
        """A new connection may be one to a Redis that has lost its last second, or all."""
        self._current.clear()
        await connection.on_connect()

    async def _send_all(self) -> None:
        await self._redis.ping()  # connects anew where it must, before we ask what is current
        if not self._swept:
            await self._find_orphans()
            self._swept = True
        for app_id in [*self._gone]:
            await self._redis.delete(stream_of(app_id))
            self._current.discard(app_id)
            self._gone.discard(app_id)
        for app_id, queue in [*self._queues.items()]:
            if app_id not in self._current:
                await self._catch_up(app_id, queue)
            await self._send(app_id, queue)

    async def _find_orphans(self) -> None:
        """Streams of apps that were removed while no observer ran."""
        async for key in self._redis.scan_iter(stream_of("*")):
            app_id = str(key).removeprefix(stream_of(""))
            if not (self._app_logs / app_id).is_dir():
                self._gone.add(app_id)

    async def _send(self, app_id: str, queue: deque[LogLine]) -> None:
        while queue:
            batch = list(islice(queue, _BATCH))
            await self._add(app_id, batch)
            last = batch[-1].id
            while queue and queue[0].id <= last:  # it may have lost lines on the left meanwhile
                queue.popleft()

    async def _catch_up(self, app_id: str, queue: deque[LogLine]) -> None:
        """Bring the stream to the end of the file, which the queue is part of."""
        queue.clear()
        missing = since(self._app_logs / app_id, await self._last_id(app_id))
        for i in range(0, len(missing), _BATCH):
            await self._add(app_id, missing[i : i + _BATCH])
        self._current.add(app_id)
        while missing and queue and queue[0].id <= missing[-1].id:
            queue.popleft()

    async def _last_id(self, app_id: str) -> LineId:
        entries = await self._redis.xrevrange(stream_of(app_id), count=1)
        return LineId.parse(str(entries[0][0])) if entries else FIRST

    async def _add(self, app_id: str, lines: list[LogLine]) -> None:
        arguments = [text for line in lines for text in (str(line.id), str(line))]
        try:
            await self._add_lines(keys=[stream_of(app_id)], args=arguments)
        except ResponseError:
            # The stream is ahead of the file (logs were deleted by hand): begin it anew.
            await self._redis.delete(stream_of(app_id))
            self._current.discard(app_id)
            raise
