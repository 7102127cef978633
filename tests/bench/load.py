"""A load generator: `python -m tests.bench.load PORT HOST SECONDS`, loopback only.

It runs as a process of its own until its standard input ends, or SECONDS have
passed, and then prints what became of every request as JSON. Requests over
kept connections, requests with a connection each and slow requests run side by
side; one in four posts a body. The app is `apps/threaded`.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import itertools
import json
import sys
import time
from collections.abc import AsyncIterator, Awaitable
from dataclasses import asdict, dataclass

_KEPT_CLIENTS = 8
_KEPT_RATE = 150.0  # requests a second, of all of them
_CLOSE_RATE = 150.0
_CLOSE_AT_ONCE = 128
_SLOW_CLIENTS = 6
SLOW = 2.0
"""Seconds a slow request works."""
_GIVE_UP = 20.0  # seconds; far above what a row may take
_POST_EVERY = 4


@dataclass(frozen=True)
class Outcome:
    """One request. `started` is on the clock of `time.monotonic`, which processes share.

    Args:
        taken: seconds from before connecting (or sending) to the last byte.
        work: seconds of it that the app was asked to take.
        release: what the app said it is; empty when the request failed.
        failure: why it failed, or empty.
    """

    kind: str
    started: float
    taken: float
    work: float
    release: str
    failure: str


class Failed(Exception):
    """An answer that no client should get."""


@dataclass(frozen=True)
class _Request:
    number: int
    work: float
    close: bool

    @property
    def method(self) -> str:
        return "POST" if self.number % _POST_EVERY == 0 else "GET"

    @property
    def body(self) -> bytes:
        return b"%d" % self.number * 200 if self.method == "POST" else b""

    def encode(self, host: str) -> bytes:
        path = f"/slow?s={self.work}&n={self.number}" if self.work else f"/?n={self.number}"
        lines = [f"{self.method} {path} HTTP/1.1", f"Host: {host}"]
        lines += ["Connection: close"] if self.close else []
        lines += [f"Content-Length: {len(self.body)}"] if self.body else []
        return "\r\n".join([*lines, "", ""]).encode() + self.body

    def check(self, body: str) -> str:
        """The release that answered.

        Raises:
            Failed: this is no answer to this request.
        """
        release, *echo = body.rstrip().rsplit(" ", 3)
        if echo != [self.method, str(self.number), hashlib.sha256(self.body).hexdigest()]:
            raise Failed(f"wrong body {body[:40]!r}")
        return release


class _Load:
    def __init__(self, port: int, host: str) -> None:
        self._port, self._host = port, f"{host}:{port}"
        self._numbers = itertools.count(1)
        self._stopped = asyncio.Event()
        self.outcomes: list[Outcome] = []

    async def run(self, stop: Awaitable[object]) -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(_KEPT_CLIENTS):
                group.create_task(self._kept("keep-alive", _KEPT_CLIENTS / _KEPT_RATE, work=0))
            for _ in range(_SLOW_CLIENTS):
                group.create_task(self._kept("slow", 0, work=SLOW))
            group.create_task(self._closing())
            await stop
            self._stopped.set()

    async def _kept(self, kind: str, interval: float, *, work: float) -> None:
        """Requests one after the other over one connection; a new one when it was closed."""
        while not self._stopped.is_set():
            async with self._connection() as (reader, writer):
                async for _ in self._ticks(interval):
                    if reader.at_eof():
                        break  # closed between requests, as HTTP allows
                    request = _Request(next(self._numbers), work, close=False)
                    exchange = self._exchange(request, reader, writer)
                    if not await self._record(kind, work, exchange):
                        break

    async def _closing(self) -> None:
        """A new connection for every request, started by the clock, not by the answers."""
        turns = asyncio.Semaphore(_CLOSE_AT_ONCE)
        async with asyncio.TaskGroup() as group:
            async for _ in self._ticks(1 / _CLOSE_RATE):
                await turns.acquire()
                task = group.create_task(self._record("close", 0, self._once()))
                task.add_done_callback(lambda _: turns.release())

    async def _once(self) -> str:
        async with self._connection() as (reader, writer):
            request = _Request(next(self._numbers), 0, close=True)
            return await self._exchange(request, reader, writer)

    async def _ticks(self, interval: float) -> AsyncIterator[None]:
        """One every `interval` seconds until the end; late ones are made up for, 1 s at most."""
        due = time.monotonic()
        while not self._stopped.is_set():
            yield
            due = max(due + interval, time.monotonic() - 1.0)
            await asyncio.sleep(max(due - time.monotonic(), 0))

    async def _record(self, kind: str, work: float, exchange: Awaitable[str]) -> bool:
        started, release, failure = time.monotonic(), "", ""
        try:
            async with asyncio.timeout(_GIVE_UP):
                release = await exchange
        except (Failed, OSError, EOFError, ValueError) as error:
            failure = f"{type(error).__name__}: {error}"
        taken = time.monotonic() - started
        self.outcomes.append(Outcome(kind, started, taken, work, release, failure))
        return not failure

    @contextlib.asynccontextmanager
    async def _connection(
        self,
    ) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            yield reader, writer
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _exchange(
        self, request: _Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> str:
        writer.write(request.encode(self._host))
        await writer.drain()
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        status, *lines = head.split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines if line)
        body = (await reader.readexactly(int(headers["content-length"]))).decode()
        if " 200 " not in status:
            raise Failed(f"{status}: {body[:40]!r}")
        return request.check(body)


async def _until_input_ends(seconds: float) -> None:
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(sys.stdin.fileno(), ended.set)  # nothing is ever written to it
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(ended.wait(), seconds)
    loop.remove_reader(sys.stdin.fileno())


async def main(port: int, host: str, seconds: float) -> None:
    load = _Load(port, host)
    await load.run(_until_input_ends(seconds))
    json.dump([asdict(outcome) for outcome in load.outcomes], sys.stdout)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), sys.argv[2], float(sys.argv[3])))
