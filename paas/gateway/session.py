"""One client attached to one process, until either of them ends."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

from paas.gateway import streams
from paas.gateway.dialects import Dialect, EndOfInput
from paas.runtimes.base import Attachment, RuntimeFailure, Terminal

IDLE_LIMIT = 3600.0  # seconds without a byte either way, Heroku's
_LOOK_SECONDS = 2.0  # between two looks whether the client is there
_END_POLL = 0.1
_LAST_WORDS = 5.0  # seconds a client gets to take them


class Session:
    """Moves bytes between `client` and `attachment`.

    Args:
        name: the process ("run.7"), for texts.
        has_gone: whether the client has. Reading tells it too, but not while the
            process takes no input and what the client sent waits unread.
    """

    def __init__(
        self,
        client: Dialect,
        attachment: Attachment,
        name: str,
        has_gone: Callable[[], bool],
        *,
        idle_limit: float = IDLE_LIMIT,
    ) -> None:
        self._client, self._attachment, self._name = client, attachment, name
        self._has_gone, self._idle_limit = has_gone, idle_limit
        self._last_byte = asyncio.get_running_loop().time()
        self._reason: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def end(self, reason: str) -> None:
        """Tell the client why, and hang up."""
        if not self._reason.done():
            self._reason.set_result(reason)

    async def run(self) -> int | None:
        """Serve until the process has ended or the client has gone; nothing of it runs then.

        Returns:
            The exit status, if the process ended first.
        """
        output = asyncio.create_task(self._carry_out())
        client = asyncio.create_task(self._carry_in())
        idle = asyncio.create_task(self._watch())
        waiting: set[asyncio.Future[Any]] = {output, client, idle, self._reason}
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            return await self._conclude(output)
        finally:
            await _cancel(output, client, idle)
            await asyncio.to_thread(self._attachment.close)

    async def _conclude(self, output: asyncio.Task[int]) -> int | None:
        """Say the last words; a client that has gone, or goes now, hears none."""
        with contextlib.suppress(OSError, TimeoutError):
            if output.done():
                async with asyncio.timeout(self._idle_limit):  # whoever reads slowly may go on
                    return await self._say_status(output)
            if self._reason.done():
                async with asyncio.timeout(_LAST_WORDS):
                    await self._client.notice(self._reason.result())
        return None

    async def _say_status(self, output: asyncio.Task[int]) -> int | None:
        try:
            status = output.result()
        except RuntimeFailure as error:
            await self._client.notice(f"How {self._name} ended is not known: {error}")
            return None
        await self._client.exit(status)
        return status

    # --- output -----------------------------------------------------------------
    async def _carry_out(self) -> int:
        """All that the process says; then how it ended."""
        ways = [(self._attachment.stdout, self._client.output)]
        if self._attachment.stderr is not None:
            ways.append((self._attachment.stderr, self._client.errors))
        pumps = [asyncio.create_task(self._pump(*way)) for way in ways]
        try:
            await asyncio.gather(*pumps)
        finally:  # one that went on would soon read the descriptor of somebody else's session
            await _cancel(*pumps)
        while (status := await asyncio.to_thread(self._attachment.wait, 0)) is None:
            await asyncio.sleep(_END_POLL)  # it may close its output and go on
        return status

    async def _pump(self, stream: int, to_client: Callable[[bytes], Awaitable[None]]) -> None:
        while data := await streams.read(stream):
            self._note_life()
            await to_client(data)
            await asyncio.sleep(0)  # a flood must not keep the others waiting

    # --- input ------------------------------------------------------------------
    async def _carry_in(self) -> None:
        """All that the client says, until it has gone."""
        listens = True
        async for event in self._client.events():
            self._note_life()
            if isinstance(event, Terminal):
                self._attachment.resize(event)
            elif isinstance(event, EndOfInput):
                self._attachment.close_stdin()
                listens = False
            elif listens:
                listens = await self._give(event)

    async def _give(self, data: bytes) -> bool:
        """Whether the process still takes input."""
        try:
            await streams.write(self._attachment.stdin, data)
        except OSError:
            return False
        return True

    # --- time --------------------------------------------------------------------
    def _note_life(self) -> None:
        self._last_byte = asyncio.get_running_loop().time()

    async def _watch(self) -> None:
        """Return when the client has gone, or nothing has happened for too long."""
        while not self._has_gone():
            quiet = asyncio.get_running_loop().time() - self._last_byte
            if quiet >= self._idle_limit:
                self.end(f"{self._name} was idle for {self._idle_limit / 60:g} minutes: it ends.")
                return
            await asyncio.sleep(min(_LOOK_SECONDS, self._idle_limit - quiet))


async def _cancel(*tasks: asyncio.Task[Any]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
