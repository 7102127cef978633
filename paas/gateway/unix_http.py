"""One HTTP/1.1 exchange over a Unix socket, parsed by httptools.

The gateway's process is kept small: uvicorn brings httptools along anyway,
while an HTTP client library would double the memory for five short calls.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import httptools

_TIMEOUT = 30.0  # seconds for a whole exchange
_LARGEST_ANSWER = 4 * 1024 * 1024
_CHUNK = 64 * 1024


class TransportError(Exception):
    """No answer. `sent`: the other side may have acted on the request."""

    def __init__(self, text: str, *, sent: bool) -> None:
        super().__init__(text)
        self.sent = sent


def post(path: str, token: str, body: bytes) -> bytes:
    """The bytes of a JSON POST with a bearer token. `path` and `token` must be printable ASCII."""
    head = (
        f"POST {path} HTTP/1.1\r\n"
        "Host: panel\r\n"
        "Connection: close\r\n"
        f"Authorization: Bearer {token}\r\n"
        "Content-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode("ascii") + body


async def exchange(socket: Path, request: bytes) -> tuple[int, bytes]:
    """Send `request` and read the answer's status and body.

    Raises:
        TransportError: nobody listens, the connection broke, the answer is
            no HTTP, or it took longer than 30 s.
    """
    try:
        async with asyncio.timeout(_TIMEOUT):
            reader, writer = await _connect(socket)
            try:
                return await _converse(reader, writer, request)
            finally:
                writer.close()
    except TimeoutError as error:
        raise TransportError("no answer in time", sent=True) from error


async def _connect(socket: Path) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    try:
        return await asyncio.open_unix_connection(socket)
    except OSError as error:
        raise TransportError(str(error), sent=False) from error


async def _converse(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes
) -> tuple[int, bytes]:
    answer = _Answer()
    try:
        writer.write(request)
        await writer.drain()
        while not answer.complete and (data := await reader.read(_CHUNK)):
            answer.feed(data)
    except (OSError, httptools.HttpParserError) as error:
        raise TransportError(str(error), sent=True) from error
    if not answer.complete and not answer.ends_with_connection:
        raise TransportError("the answer was cut off", sent=True)
    return answer.status, bytes(answer.body)


class _Answer:
    """httptools' callbacks for one response."""

    def __init__(self) -> None:
        self.body = bytearray()
        self.complete = False
        self.ends_with_connection = False
        self._framed = False
        self._parser = httptools.HttpResponseParser(self)

    @property
    def status(self) -> int:
        return self._parser.get_status_code()

    def feed(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._framed = self._framed or name.lower() in (b"content-length", b"transfer-encoding")

    def on_headers_complete(self) -> None:
        self.ends_with_connection = not self._framed

    def on_body(self, body: bytes) -> None:
        self.body += body
        if len(self.body) > _LARGEST_ANSWER:
            raise ValueError("the answer is too large")

    def on_message_complete(self) -> None:
        self.complete = True
