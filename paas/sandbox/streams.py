"""The streams of a command whose `init.py` waits at a channel, taken from outside."""

from __future__ import annotations

import json
import socket

from paas.sandbox.spec import SandboxError

_START_SECONDS = 30.0  # for bubblewrap and an interpreter, on a machine that has much to do


def take_streams(channel: socket.socket, terminal: tuple[int, int] | None) -> list[int]:
    """Let the command start, and take the far ends of its streams.

    Args:
        terminal: its size in columns and lines, or None for pipes.

    Returns:
        The terminal's far end, or the pipes' to standard input, from standard
        output and from standard error.

    Raises:
        SandboxError: the command could not be started.
    """
    size = {"columns": terminal[0], "lines": terminal[1]} if terminal else None
    channel.settimeout(_START_SECONDS)
    try:
        channel.sendall(json.dumps({"terminal": size}).encode() + b"\n")
        _, streams, _, _ = socket.recv_fds(channel, 1, 3)
    except OSError:
        streams = []
    if not streams:
        raise SandboxError("The process could not be started. The app's log says why.")
    return streams
