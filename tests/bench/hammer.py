"""As many requests as go: `python -m tests.bench.hammer PORT HOST MODE SECONDS TEXT`.

Prints how many answers came in SECONDS over `CONNECTIONS` connections, kept or
(MODE `close`) one a request. An answer that is not 200 with TEXT at its end
ends it with status 1. One epoll and no library, so that it takes little of the
processor that it shares with what it measures.
"""

from __future__ import annotations

import select
import socket
import sys
import time

CONNECTIONS = 32
_READ = 65536


class Hammer:
    """Requests to one host at a loopback port."""

    def __init__(self, port: int, host: str, text: bytes, *, close: bool) -> None:
        self._address, self._text, self._close = ("127.0.0.1", port), text, close
        ending = "Connection: close\r\n" if close else ""
        self._request = f"GET / HTTP/1.1\r\nHost: {host}:{port}\r\n{ending}\r\n".encode()
        self._poll = select.epoll()
        self._sockets: dict[int, socket.socket] = {}
        self._received: dict[int, bytes] = {}

    def run(self, seconds: float) -> int:
        """The number of answers."""
        for _ in range(CONNECTIONS):
            self._open()
        answers = 0
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for number, _ in self._poll.poll(1.0):
                answers += self._advance(number)
        return answers

    def _open(self) -> None:
        client = socket.create_connection(self._address)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._sockets[client.fileno()] = client
        self._received[client.fileno()] = b""
        self._poll.register(client, select.EPOLLIN)
        client.sendall(self._request)

    def _advance(self, number: int) -> bool:
        """Read what there is; whether it ends an answer."""
        data = self._sockets[number].recv(_READ)
        self._received[number] += data
        if self._close:
            if data:
                return False
            self._require_good(self._received.pop(number))
            self._sockets.pop(number).close()
            self._open()
            return True
        if not self._received[number].endswith(self._text):
            if not data:
                self._require_good(self._received[number])
            return False
        self._require_good(self._received[number])
        self._received[number] = b""
        self._sockets[number].sendall(self._request)
        return True

    def _require_good(self, answer: bytes) -> None:
        if not (answer.startswith(b"HTTP/1.1 200 ") and answer.endswith(self._text)):
            sys.exit(f"wrong answer: {answer[:200]!r}")


def main(port: str, host: str, mode: str, seconds: str, text: str) -> None:
    hammer = Hammer(int(port), host, text.encode(), close=mode == "close")
    print(hammer.run(float(seconds)))


if __name__ == "__main__":
    main(*sys.argv[1:])
