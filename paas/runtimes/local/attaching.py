"""Attaching to a one-off: its streams come to whoever asks first, and it lives as long as they do.

The process waits at a Unix socket in `run` (see `launch`). Whoever attaches
becomes the owner of its record, so that `tend` ends it if they die.
"""

from __future__ import annotations

import os
import socket
import termios
import time
from contextlib import suppress
from dataclasses import replace

from paas import sandbox
from paas.runtimes.base import RuntimeFailure, Terminal
from paas.runtimes.local import oneoffs
from paas.runtimes.local.parts import Parts
from paas.runtimes.local.state import Phase, Record, owner
from paas.runtimes.local.supervisor import SupervisorDown

_PATIENCE = 10.0  # seconds until the process must wait at its socket
_POLL = 0.02


class LocalAttachment:
    """`paas.runtimes.base.Attachment` of a one-off of supervisord's."""

    def __init__(self, parts: Parts, program: str, streams: list[int]) -> None:
        self._parts, self._program = parts, program
        self._is_terminal = len(streams) == 1
        if self._is_terminal:
            streams.append(os.dup(streams[0]))
        self.stdin, self.stdout = streams[:2]
        self.stderr = None if self._is_terminal else streams[2]
        self._open = set(streams)
        for stream in streams:
            os.set_blocking(stream, False)

    def resize(self, terminal: Terminal) -> None:
        """See `Attachment.resize`."""
        if self._is_terminal:
            termios.tcsetwinsize(self.stdout, (terminal.lines, terminal.columns))

    def close_stdin(self) -> None:
        """See `Attachment.close_stdin`."""
        self._close(self.stdin)

    def wait(self, timeout: float | None = None) -> int | None:
        """See `Attachment.wait`."""
        return oneoffs.wait(self._parts, self._program, timeout)

    def close(self) -> None:
        """See `Attachment.close`."""
        for stream in tuple(self._open):
            self._close(stream)
        with suppress(SupervisorDown):  # then it has ended with it
            self._parts.supervisor.stop(self._program)

    def _close(self, stream: int) -> None:
        if stream in self._open:
            self._open.remove(stream)
            os.close(stream)


def attach(parts: Parts, app_id: str, name: str, terminal: Terminal | None) -> LocalAttachment:
    """The body of `Runtime.attach`."""
    program = _claim(parts, app_id, name).program(app_id)
    size = (terminal.columns, terminal.lines) if terminal else None
    with _connect(parts, program) as channel:
        return LocalAttachment(parts, program, sandbox.take_streams(channel, size))


def _claim(parts: Parts, app_id: str, name: str) -> Record:
    """Become the owner of a one-off that awaits one."""
    with parts.store.locked(app_id) as slot:
        for record in slot.state.among(Phase.AWAITING):
            if record.name == name:
                claimed = replace(record, phase=Phase.SESSION, owner=owner())
                slot.save(slot.state.put(claimed))
                return claimed
    raise RuntimeFailure(f"{name} has ended, or somebody is attached to it already.")


def _connect(parts: Parts, program: str) -> socket.socket:
    """A connection to where the process waits."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        channel = socket.socket(socket.AF_UNIX)
        try:
            channel.connect(str(parts.processes.channel(program)))
            return channel
        except OSError as error:
            channel.close()
            if time.monotonic() > deadline or oneoffs.wait(parts, program, 0) is not None:
                raise RuntimeFailure("The process has ended before it began.") from error
        time.sleep(_POLL)
