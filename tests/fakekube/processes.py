"""What runs in a container: a real local process, or something that pretends to.

Both keep their output with its times, take input and can be listened to, so
that logs, attach and exit codes need not know which it is.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import pty
import signal
import struct
import termios
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from .clock import fine_stamp

STDOUT, STDERR = 1, 2
SETTLE_SECONDS = 5.0
"""Real seconds after which a process that goes on working counts as started."""


@dataclass
class Line:
    """A piece of output that ended with a newline, or the last one."""

    time: str
    text: bytes


class Process:
    """Output and life of a container's process; `exit` has its code, 128+n for a signal."""

    def __init__(self) -> None:
        self.lines: list[Line] = []
        self.exit: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self.listeners: list[Callable[[int, bytes], None]] = []
        self.changed = asyncio.Event()
        self._rest: dict[int, bytes] = {}

    def wrote(self, channel: int, data: bytes) -> None:
        """Takes output in: for those attached as it is, for the log by lines."""
        for listener in list(self.listeners):
            listener(channel, data)
        *whole, self._rest[channel] = (self._rest.get(channel, b"") + data).split(b"\n")
        for text in whole:
            self.lines.append(Line(fine_stamp(), text))
        self._wake()

    def ended(self, code: int) -> None:
        self.lines += [Line(fine_stamp(), rest) for rest in self._rest.values() if rest]
        self._rest.clear()
        if not self.exit.done():
            self.exit.set_result(code)
        self._wake()

    def _wake(self) -> None:
        self.changed.set()
        self.changed = asyncio.Event()

    def write(self, data: bytes) -> None:
        """Input; dropped by what does not read."""

    def close_input(self) -> None:
        """End of input."""

    def resize(self, width: int, height: int) -> None:
        """Of a terminal."""

    async def settle(self) -> None:
        """Returns when it has begun what it does: nothing else stands for its probes."""

    def signal(self, number: int) -> None:
        """TERM or KILL."""
        raise NotImplementedError


class Idle(Process):
    """Pretends: runs until it is told to stop, or for some seconds.

    Args:
        seconds: real ones, None for ever; code: with which it then exits.
        heeds: whether TERM ends it.
    """

    def __init__(
        self, seconds: float | None = None, code: int = 0, output: str = "", *, heeds: bool = True
    ) -> None:
        super().__init__()
        self._heeds = heeds
        if output:
            self.wrote(STDOUT, output.encode() + b"\n")
        if seconds is not None:
            asyncio.get_running_loop().call_later(seconds, self.ended, code)

    def signal(self, number: int) -> None:
        if number == signal.SIGKILL:
            self.ended(137)
        elif self._heeds:
            self.ended(0)


class Local(Process):
    """A real process of this machine, in a session of its own."""

    def __init__(self, child: asyncio.subprocess.Process, terminal: int | None) -> None:
        super().__init__()
        self._child, self._terminal = child, terminal
        self.task = asyncio.ensure_future(self._watch())
        _LIVING.add(self)
        self.task.add_done_callback(lambda task: _LIVING.discard(self))

    async def _watch(self) -> None:
        if self._terminal is not None:
            readers = [self._read_terminal(self._terminal)]
        else:
            assert self._child.stdout is not None
            assert self._child.stderr is not None
            readers = [
                self._read(STDOUT, self._child.stdout), self._read(STDERR, self._child.stderr),
            ]  # fmt: skip
        reading = [asyncio.ensure_future(reader) for reader in readers]
        code = await self._child.wait()
        _, late = await asyncio.wait(reading, timeout=1.0)  # a grandchild may hold the pipe
        for task in late:
            task.cancel()
        if self._terminal is not None:
            os.close(self._terminal)
            self._terminal = None
        self.ended(code if code >= 0 else 128 - code)

    async def _read(self, channel: int, stream: asyncio.StreamReader) -> None:
        while data := await stream.read(65536):
            self.wrote(channel, data)

    async def _read_terminal(self, terminal: int) -> None:
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()

        def readable() -> None:
            try:
                data = os.read(terminal, 65536)
            except BlockingIOError:
                return
            except OSError:  # the last writer has gone
                data = b""
            if data:
                self.wrote(STDOUT, data)
            elif not done.done():
                done.set_result(None)

        loop.add_reader(terminal, readable)
        try:
            await done
        finally:
            loop.remove_reader(terminal)

    def write(self, data: bytes) -> None:
        if self._terminal is not None:
            with contextlib.suppress(OSError):
                os.write(self._terminal, data)
        elif self._child.stdin is not None:
            self._child.stdin.write(data)

    def close_input(self) -> None:
        if self._child.stdin is not None:
            self._child.stdin.close()

    def resize(self, width: int, height: int) -> None:
        if self._terminal is not None:
            size = struct.pack("HHHH", height, width, 0, 0)
            fcntl.ioctl(self._terminal, termios.TIOCSWINSZ, size)

    async def settle(self) -> None:
        """When it sleeps without having worked for two looks, or has ended."""
        end = asyncio.get_running_loop().time() + SETTLE_SECONDS
        before, quiet = "", 0
        while not self.exit.done() and asyncio.get_running_loop().time() < end:
            seen = self._sleeps()
            quiet = quiet + 1 if seen and seen == before else 0
            if quiet == 2:
                return
            before = seen
            await asyncio.sleep(0.02)

    def _sleeps(self) -> str:
        """How much it has worked, if it sleeps now; "" if not, or if it is gone."""
        try:
            text = Path(f"/proc/{self._child.pid}/stat").read_text()
        except OSError:
            return ""
        state, *rest = text.rpartition(")")[2].split()
        return " ".join(rest[10:12]) if state == "S" else ""  # utime and stime

    def signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._child.pid, number)


_LIVING: set[Local] = set()


async def end_all() -> None:
    """Kills the local processes of this loop and waits for them."""
    loop = asyncio.get_running_loop()
    mine = [each for each in _LIVING if each.task.get_loop() is loop]
    for each in mine:
        each.signal(signal.SIGKILL)
    await asyncio.gather(*(each.task for each in mine), return_exceptions=True)


async def start(
    argv: Sequence[str], env: Mapping[str, str], *, stdin: bool, tty: bool, directory: str
) -> Local:
    """Starts a local process.

    Raises:
        OSError: there is no such command.
    """
    if not tty:
        child = await asyncio.create_subprocess_exec(
            *argv, env=env, cwd=directory, start_new_session=True,
            stdin=asyncio.subprocess.PIPE if stdin else asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        return Local(child, None)
    ours, theirs = pty.openpty()
    os.set_blocking(ours, False)
    try:
        child = await asyncio.create_subprocess_exec(
            *argv, env=env, cwd=directory, start_new_session=True,
            stdin=theirs, stdout=theirs, stderr=theirs,
        )  # fmt: skip
    except OSError:
        os.close(ours)
        raise
    finally:
        os.close(theirs)
    return Local(child, ours)
