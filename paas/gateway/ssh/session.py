"""One command of an SSH client, from the request to its exit status."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

import asyncssh

from paas.gateway.bodies import BodyError
from paas.gateway.panel import Key
from paas.gateway.protocol import RefusedError, checked_version
from paas.gateway.services import Job, Services
from paas.gateway.ssh.client import SshClient
from paas.gateway.ssh.command import Command, parse

log = logging.getLogger(__name__)

_REFUSED = 128  # git's own exit status for "fatal"
_BROKEN = "The gateway failed; its log says why. Try again."


@dataclass(frozen=True)
class Caller:
    """Who is at the other end, and by which key."""

    user: str
    key: Key


class Session(asyncssh.SSHServerSession[bytes]):
    """asyncssh's callbacks for one channel.

    Args:
        git_url: of an app called NAME, for the greeting.
        over: called when the channel is closed.
    """

    def __init__(
        self, services: Services, caller: Caller, git_url: str, over: Callable[[Session], None]
    ) -> None:
        self._services, self._caller, self._git_url = services, caller, git_url
        self._over = over
        self._channel: asyncssh.SSHServerChannel[bytes]
        self._client: SshClient
        self._work: Coroutine[Any, Any, None]
        self._task: asyncio.Task[None] | None = None

    @property
    def busy(self) -> bool:
        """Whether a command runs."""
        return self._task is not None and not self._task.done()

    # --- the channel ------------------------------------------------------
    def connection_made(self, chan: asyncssh.SSHServerChannel[bytes]) -> None:
        self._channel, self._client = chan, SshClient(chan)

    def connection_lost(self, exc: Exception | None) -> None:
        self._client.leave(in_good_order=exc is None)
        self._over(self)

    def data_received(self, data: bytes, datatype: asyncssh.DataType) -> None:
        self._client.receive(data)

    def eof_received(self) -> bool:
        self._client.receive_end()
        return True  # the answer goes on

    def pause_writing(self) -> None:
        self._client.pause()

    def resume_writing(self) -> None:
        self._client.resume()

    # --- what is asked for ------------------------------------------------
    def shell_requested(self) -> bool:
        self._work = self._greet()
        return True

    def exec_requested(self, command: str) -> bool:
        self._work = self._execute(command)
        return True

    def session_started(self) -> None:
        self._task = asyncio.create_task(self._work)

    async def _greet(self) -> None:
        self._end(
            f"Hello {self._caller.user}, this is paas. There is no shell here, only git.\n"
            f"To deploy an app: git push {self._git_url} main\n",
            status=0,
        )

    async def _execute(self, text: str) -> None:
        try:
            await self._serve(parse(text))
        except RefusedError as refused:
            self._refuse(refused.text)
        except BodyError as cut:
            self._refuse(f"What you sent is not complete: {cut}.")
        except Exception:
            log.exception("an SSH command failed")
            self._refuse(_BROKEN)

    async def _serve(self, command: Command) -> None:
        access = await self._services.access(command.app, command.service, self._caller.key)
        job = Job(command.service, access, self._caller.key, self._version())
        await self._services.run(job, self._client.body(), self._client)

    def _version(self) -> str:
        """The one variable a client may set."""
        sent = self._channel.get_environment_bytes().get(b"GIT_PROTOCOL", b"")
        return checked_version(sent.decode("latin-1"))

    def _refuse(self, text: str) -> None:
        lines = "".join(f" !     {line}\n" for line in text.splitlines())
        self._end(lines, asyncssh.EXTENDED_DATA_STDERR, status=_REFUSED)

    def _end(self, text: str, where: asyncssh.DataType = None, *, status: int) -> None:
        if not self._channel.is_closing():
            self._channel.write(text.encode(), where)
            self._channel.exit(status)
