"""A small panel: answers what a test lays down, and records what it was asked."""

from __future__ import annotations

import json
import threading
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Reply:
    """`chunks` makes it a stream; `cut` breaks that off without an end."""

    body: Any = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    raw: bytes | None = None
    chunks: list[bytes] | None = None
    cut: bool = False


@dataclass(frozen=True)
class Asked:
    method: str
    path: str
    headers: dict[str, str]
    body: Any


class FakePanel:
    """Replies to one `METHOD /path` are given in order; the last one stays."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self._replies: dict[str, deque[Reply]] = defaultdict(deque)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()
        self.url = f"http://localhost:{self._server.server_port}"

    def on(self, call: str, *replies: Reply | Any) -> None:
        self._replies[call] = deque(
            one if isinstance(one, Reply) else Reply(one) for one in replies
        )

    def take(self, call: str) -> Reply:
        replies = self._replies.get(call)
        if not replies:
            return Reply({"id": "not_found", "message": f"Nothing at {call}."}, 404)
        return replies.popleft() if len(replies) > 1 else replies[0]

    def bodies(self, call: str) -> list[Any]:
        return [one.body for one in self.asked if f"{one.method} {one.path}" == call]

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def _handler(panel: FakePanel) -> Callable[..., BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            data = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            body = json.loads(data) if data else None
            panel.asked.append(Asked(self.command, self.path, dict(self.headers), body))
            reply = panel.take(f"{self.command} {self.path}")
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            if reply.chunks is None:
                self._whole(reply)
            else:
                self._streamed(reply.chunks, reply.cut)
            self.close_connection = True

        def _whole(self, reply: Reply) -> None:
            raw = json.dumps(reply.body).encode() if reply.raw is None else reply.raw
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        def _streamed(self, chunks: list[bytes], cut: bool) -> None:
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for chunk in chunks:
                self.wfile.write(f"{len(chunk):x}\r\n".encode() + chunk + b"\r\n")
            if not cut:
                self.wfile.write(b"0\r\n\r\n")

        do_GET = do_POST = do_PATCH = do_DELETE = _answer  # noqa: N815 - http.server finds them by name

        def log_message(self, *_: object) -> None:
            pass

    return Handler
