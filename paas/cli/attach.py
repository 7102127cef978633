"""This terminal, connected with a process at the panel (see `paas.frames`)."""

from __future__ import annotations

import asyncio
import os
import signal
import ssl
import sys
import termios
import threading
import tty
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from typing import Any
from urllib.parse import urlsplit

from paas import frames
from paas.cli.console import note
from paas.cli.errors import FAILURE, CliError, ConnectionCut
from paas.frames import Frame, FrameError, Kind

_STDIN, _STDOUT, _STDERR = 0, 1, 2
_CHUNK = 64 * 1024
_CONNECT_SECONDS = 20.0
_READER_GONE = 128 + signal.SIGPIPE
_ENDING_SIGNALS = (signal.SIGTERM, signal.SIGHUP)


def terminal_environment() -> dict[str, str]:
    """What the API is told of this terminal."""
    size = os.get_terminal_size(_STDOUT)
    kind = os.environ.get("TERM", "xterm")
    return {"TERM": kind, "COLUMNS": str(size.columns), "LINES": str(size.lines)}


async def connect(url: str, authority: str) -> Connection:
    """Meet the process at a `rendezvous://` address.

    Args:
        authority: the certificate to trust, PEM.

    Raises:
        CliError: nobody is there, or it is somebody else.
    """
    parts = urlsplit(url)
    if parts.scheme != "rendezvous" or not parts.hostname or not parts.port:
        raise CliError("The panel gave no address to attach to.")
    where = f"{parts.hostname}:{parts.port}"
    try:
        async with asyncio.timeout(_CONNECT_SECONDS):
            context = ssl.create_default_context(cadata=authority)
            reader, writer = await asyncio.open_connection(
                parts.hostname, parts.port, ssl=context, limit=frames.LARGEST
            )
            writer.write(f"{parts.path[1:]} {frames.WORD}\r\n".encode())
            greeting = await reader.readline()
    except ssl.SSLError as error:
        raise CliError(
            f"Who listens at {where} is not this panel: {error.reason or error}.",
            "Another program may have its port. Set PAAS_RENDEZVOUS_PORT to a free one.",
        ) from error
    except (OSError, ValueError) as error:
        raise CliError(
            f"{where}, where the panel connects processes with terminals, cannot be reached: "
            f"{error or 'no answer'}.",
            "logs/panel/gateway.log says why; PAAS_RENDEZVOUS_PORT chooses another port.",
        ) from error
    if not greeting:
        raise CliError("The panel did not let this command in.", "Try again.")
    return Connection(reader, writer)


class Connection:
    """An open way to a process."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        frames.keep_alive(writer.get_extra_info("socket"))

    async def serve(self, name: str, *, terminal: bool) -> int:
        """Pass bytes both ways until the process `name` ends; its exit status.

        Raises:
            ConnectionCut: the panel went away.
        """
        with _signals_end(), _raw_terminal() if terminal else nullcontext():
            if terminal:
                self._follow_size()
            self._follow_input()
            try:
                return await self._show(name)
            finally:
                self._writer.close()

    async def _show(self, name: str) -> int:
        noticed = False
        while frame := await self._next():
            match frame.kind:
                case Kind.OUTPUT | Kind.ERRORS:
                    if not _write(frame):
                        return _READER_GONE
                case Kind.NOTICE:
                    noticed = True
                    note(f"\r\n{frame.payload.decode(errors='replace')}\r")
                case Kind.EXIT:
                    return frame.facts()["status"]
        if noticed:
            return FAILURE
        raise ConnectionCut(
            f"The connection to {name} broke off, so the panel ends that process.",
            "Run it again; run:detached runs a command without a connection.",
        )

    async def _next(self) -> Frame | None:
        try:
            return await frames.read(self._reader)
        except (OSError, FrameError):
            return None

    # --- what goes up -----------------------------------------------------------
    async def _send(self, frame: Frame) -> None:
        self._writer.write(frame.encode())
        await self._writer.drain()

    def _follow_size(self) -> None:
        """Tell the size of the terminal, now and whenever it changes."""
        loop = asyncio.get_running_loop()

        def tell() -> None:
            size = os.get_terminal_size(_STDOUT)
            facts = {"columns": size.columns, "lines": size.lines}
            self._writer.write(Frame.of(Kind.RESIZE, facts).encode())

        loop.add_signal_handler(signal.SIGWINCH, tell)

    def _follow_input(self) -> None:
        """In a thread: what stands behind standard input may block, and may be a file."""
        loop = asyncio.get_running_loop()

        def send() -> None:
            with suppress(OSError, RuntimeError):  # the process or the loop has ended
                data = b"-"
                while data:
                    data = os.read(_STDIN, _CHUNK)
                    piece = self._send(Frame(Kind.INPUT, data))
                    asyncio.run_coroutine_threadsafe(piece, loop).result()

        threading.Thread(target=send, name="standard input", daemon=True).start()


def _write(frame: Frame) -> bool:
    """Pass output on; False when nobody reads it any more.

    Raises:
        CliError: it cannot be written (disk full).
    """
    target = _STDOUT if frame.kind is Kind.OUTPUT else _STDERR
    view = memoryview(frame.payload)
    try:
        while view:
            view = view[os.write(target, view) :]
    except BrokenPipeError:
        return False
    except OSError as error:
        raise CliError(f"The output cannot be written: {error.strerror}.") from error
    return True


@contextmanager
def _raw_terminal() -> Iterator[None]:
    """Every key goes to the process, Ctrl-C too; the terminal is afterwards as it was."""
    before: list[Any] = termios.tcgetattr(_STDIN)
    tty.setraw(_STDIN)
    try:
        yield
    finally:
        termios.tcsetattr(_STDIN, termios.TCSADRAIN, before)


@contextmanager
def _signals_end() -> Iterator[None]:
    """Signals that would end this command at once end it in good order."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None
    received: list[int] = []

    def end(number: int) -> None:
        received.append(number)
        task.cancel()

    for number in _ENDING_SIGNALS:
        loop.add_signal_handler(number, end, number)
    try:
        yield
    except asyncio.CancelledError:
        if received:
            sys.exit(128 + received[0])
        raise
