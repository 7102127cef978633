"""The two ways in which a client of an attach session speaks: Heroku's and ours."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Protocol

from paas import frames
from paas.frames import Frame, FrameError, Kind
from paas.gateway.streams import CHUNK
from paas.runtimes.base import Terminal

MARK = "\uffff heroku-command-exit-status:"
"""What Heroku's client looks for in the output."""
_CTRL_D = b"\x04"
_LARGEST_SIZE = 10_000  # columns or lines


class EndOfInput:
    """The client has no more standard input, but still listens."""


Event = bytes | Terminal | EndOfInput
"""What a client says: input, a new size of its terminal, the end of its input."""


class Dialect(Protocol):
    """One client. Writing raises OSError when it has gone."""

    def events(self) -> AsyncIterator[Event]:
        """What it says, until it has gone.

        Raises:
            FrameError: it says what nobody understands.
        """
        ...

    async def output(self, data: bytes) -> None: ...

    async def errors(self, data: bytes) -> None: ...

    async def notice(self, text: str) -> None:
        """A remark of the platform's, not of the process."""
        ...

    async def exit(self, status: int) -> None: ...


class Raw:
    """Heroku's: bytes, and nothing beside them.

    Args:
        terminal: whether the process has one. Without one, Ctrl-D at the end of
            what came stands for the end of input, as Heroku's client sends it.
        marks_status: say the exit status by `MARK`.
    """

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        *,
        terminal: bool,
        marks_status: bool,
    ) -> None:
        self._reader, self._writer = reader, writer
        self._terminal, self._marks_status = terminal, marks_status

    async def events(self) -> AsyncIterator[Event]:
        while data := await self._reader.read(CHUNK):
            ends = not self._terminal and data.endswith(_CTRL_D)
            if data := data.removesuffix(_CTRL_D) if ends else data:
                yield data
            if ends:
                yield EndOfInput()

    async def output(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def errors(self, data: bytes) -> None:
        await self.output(data)

    async def notice(self, text: str) -> None:
        await self.output(f"\r\n !     {text}\r\n".encode())

    async def exit(self, status: int) -> None:
        if self._marks_status:
            await self.output(f"{MARK} {status}\n".encode())


class Framed:
    """Ours: see `paas.frames`."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def events(self) -> AsyncIterator[Event]:
        while frame := await frames.read(self._reader):
            match frame.kind:
                case Kind.INPUT:
                    yield frame.payload or EndOfInput()
                case Kind.RESIZE:
                    yield _terminal(frame)
                case _:
                    raise FrameError(f"a client does not send {frame.kind.name}")

    async def output(self, data: bytes) -> None:
        await self._send(Frame(Kind.OUTPUT, data))

    async def errors(self, data: bytes) -> None:
        await self._send(Frame(Kind.ERRORS, data))

    async def notice(self, text: str) -> None:
        await self._send(Frame(Kind.NOTICE, text.encode()))

    async def exit(self, status: int) -> None:
        await self._send(Frame.of(Kind.EXIT, {"status": status}))

    async def _send(self, frame: Frame) -> None:
        self._writer.write(frame.encode())
        await self._writer.drain()


def _terminal(frame: Frame) -> Terminal:
    facts = frame.facts()
    try:
        size = Terminal(facts["columns"], facts["lines"])
    except KeyError as error:
        raise FrameError("a size has columns and lines") from error
    if not (0 < size.columns <= _LARGEST_SIZE and 0 < size.lines <= _LARGEST_SIZE):
        raise FrameError("no terminal has that size")
    return size
