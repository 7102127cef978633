"""A live panel for clients that need one, in the test's own transaction."""

from __future__ import annotations

import socket
import threading
from pathlib import Path
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from django.core.handlers.wsgi import WSGIHandler
from django.db import connection, connections


class _Quiet(WSGIRequestHandler):
    def log_message(self, *_: object) -> None:
        pass

    def address_string(self) -> str:
        return "127.0.0.1"


class _OnSocket(WSGIServer):
    """On a Unix socket, as the gateway finds the panel."""

    address_family = socket.AF_UNIX

    def server_bind(self) -> None:
        self.socket.bind(str(self.server_address))
        self.server_name, self.server_port = "panel", 80
        self.setup_environ()

    def get_request(self) -> tuple[socket.socket, Any]:
        request, _ = super().get_request()
        return request, ("127.0.0.1", 0)


class LivePanel:
    """Answers one request at a time, over TCP or at a Unix socket.

    Its thread works on the test's database connection: what the test has not
    committed is there, and what a request changes can be rolled back. The
    test waits while a request is answered, so the two never use it at once.
    """

    def __init__(self, path: Path | None = None) -> None:
        kind, address = (_OnSocket, str(path)) if path else (WSGIServer, ("127.0.0.1", 0))
        self._server = kind(address, _Quiet)  # type: ignore[arg-type]  # both are addresses
        self._server.set_app(WSGIHandler())
        connection.inc_thread_sharing()
        self._connection = connections["default"]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        return int(self._server.server_port)

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        connection.dec_thread_sharing()

    def _serve(self) -> None:
        connections["default"] = self._connection
        self._server.serve_forever(poll_interval=0.05)
