"""The gateway's side of the pre-receive hook: its executable and its socket."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import secrets
import shlex
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from paas.gateway import hook, updates
from paas.gateway.updates import Update

log = logging.getLogger(__name__)

Say = Callable[[str], Awaitable[None]]
"""Shows lines to whoever pushes; harmless when nobody listens any more."""

Receiver = Callable[[tuple[Update, ...], Mapping[str, str], Say], Awaitable[int]]
"""Judges a push: updates, the hook's GIT_* variables, a voice → exit status."""

_LONGEST_REQUEST = 32 * 1024 * 1024  # a push of 100,000 references


class HookError(Exception):
    """The hook cannot be made to run, so pushes would not be judged."""


def install(folder: Path) -> Path:
    """Write the executable that git runs as `<folder>/pre-receive`, unless it is there.

    A Python shebang would break at spaces in paths and at 127 bytes.

    Raises:
        HookError: the folder lies where nothing may be executed; git would
            skip the hook without a word and accept every push.
    """
    script = folder / "pre-receive"
    command = shlex.join([sys.executable, "-I", "-S", str(Path(hook.__file__).resolve())])
    text = f"#!/bin/sh\nexec {command}\n"
    if not script.is_file() or script.read_text() != text:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = script.with_suffix(f".{os.getpid()}")
        fresh.write_text(text)
        fresh.chmod(0o700)
        fresh.rename(script)
    if not os.access(script, os.X_OK):
        raise HookError(
            f"{script} cannot be executed: its file system is mounted noexec. "
            "Set PAAS_HOME to a folder where programs may run."
        )
    return folder


class HookServer:
    """Answers the hooks of running pushes; each is known by a one-time token.

    Args:
        socket: where to listen; hooks find it in their environment.
    """

    def __init__(self, socket: Path) -> None:
        self._socket = socket
        self._expected: dict[str, Receiver] = {}

    async def listen(self) -> asyncio.Server:
        """Start to listen, for this user only, in place of whoever did before."""
        self._socket.unlink(missing_ok=True)
        server = await asyncio.start_unix_server(
            self._answer, path=self._socket, limit=_LONGEST_REQUEST
        )
        self._socket.chmod(0o600)
        return server

    @contextlib.contextmanager
    def expecting(self, receiver: Receiver) -> Iterator[dict[str, str]]:
        """The environment by which one hook reaches `receiver`, while the context lasts."""
        token = secrets.token_urlsafe(32)
        self._expected[token] = receiver
        try:
            yield {hook.SOCKET_VARIABLE: str(self._socket), hook.TOKEN_VARIABLE: token}
        finally:
            self._expected.pop(token, None)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        voice = _Voice(writer)
        try:
            request = json.loads(await reader.readline())
            receiver = self._expected.pop(request["token"])
            rows, environment = updates.parse(request["updates"]), dict(request["environment"])
        except (OSError, ValueError, KeyError, TypeError, updates.UpdateError) as error:
            log.warning("a hook's request was refused: %r", error)
            writer.close()
            return
        await voice.tell({"exit": await receiver(rows, environment, voice.say)})
        writer.close()


class _Voice:
    """Speaks to one hook and goes silent when it has died: the deploy goes on without it."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer

    async def say(self, text: str) -> None:
        await self.tell({"text": text})

    async def tell(self, message: Mapping[str, Any]) -> None:
        with contextlib.suppress(OSError):
            self._writer.write(json.dumps(message).encode() + b"\n")
            await self._writer.drain()
