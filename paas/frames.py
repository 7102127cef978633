"""What `paas run` and the gateway say to each other after the rendezvous.

Heroku's protocol is raw bytes both ways: it has no word for the end of
standard input, for a resized terminal or for an exit status. A client that
says `<secret> frames` gets a kind (one byte) and a length (four, the highest
first) before each piece instead.
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from dataclasses import dataclass
from enum import StrEnum

WORD = "frames"
"""What follows the secret in the client's first line."""
LARGEST = 256 * 1024
_KEEP_ALIVE = (
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 15),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 10),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3),
)
_HEAD = struct.Struct("!cI")


class Kind(StrEnum):
    """Who says what."""

    INPUT = "i"  # the client: standard input; empty: its end
    RESIZE = "r"  # the client: JSON {"columns", "lines"}
    OUTPUT = "o"
    ERRORS = "e"
    NOTICE = "n"  # the gateway: a text for the user
    EXIT = "x"  # the gateway, at last: JSON {"status"}


class FrameError(Exception):
    """What came is no frame."""


@dataclass(frozen=True)
class Frame:
    """One piece."""

    kind: Kind
    payload: bytes

    def encode(self) -> bytes:
        return _HEAD.pack(self.kind.encode(), len(self.payload)) + self.payload

    @classmethod
    def of(cls, kind: Kind, facts: dict[str, int]) -> Frame:
        return cls(kind, json.dumps(facts).encode())

    def facts(self) -> dict[str, int]:
        """The numbers of a JSON payload.

        Raises:
            FrameError: there are none.
        """
        try:
            found = json.loads(self.payload)
            return {str(name): int(value) for name, value in found.items()}
        except (ValueError, TypeError, AttributeError) as error:
            raise FrameError("the payload is no JSON object of numbers") from error


def keep_alive(connection: socket.socket) -> None:
    """Let a silent side notice within a minute that the network is cut.

    No TCP_USER_TIMEOUT: that would cut whoever pages slowly through output, too.
    """
    for level, option, value in _KEEP_ALIVE:
        connection.setsockopt(level, option, value)


async def read(reader: asyncio.StreamReader) -> Frame | None:
    """The next frame; None at the end of the stream.

    Raises:
        FrameError: the other side does not speak frames, or was cut off in one.
    """
    try:
        kind, length = _HEAD.unpack(await reader.readexactly(_HEAD.size))
        if length > LARGEST:
            raise FrameError(f"a frame of {length} bytes is too large")
        return Frame(Kind(kind.decode("ascii", "replace")), await reader.readexactly(length))
    except asyncio.IncompleteReadError as error:
        if error.partial:
            raise FrameError("the connection broke in the middle of a frame") from error
        return None
    except ValueError as error:
        raise FrameError("a frame of an unknown kind") from error
