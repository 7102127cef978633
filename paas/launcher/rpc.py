"""supervisord's XML-RPC over a unix socket."""

from __future__ import annotations

import http.client
import socket
import xmlrpc.client
from pathlib import Path


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


class _UnixTransport(xmlrpc.client.Transport):
    def __init__(self, path: Path, timeout: float) -> None:
        super().__init__()
        self._path, self._timeout = path, timeout

    def make_connection(self, host: object) -> http.client.HTTPConnection:
        return _UnixConnection(self._path, self._timeout)


def supervisor(path: Path, timeout: float = 10.0) -> xmlrpc.client.ServerProxy:
    """A client of the supervisord that listens on `path`.

    Calls raise OSError when nobody listens and `xmlrpc.client.Fault` when
    supervisord refuses.
    """
    return xmlrpc.client.ServerProxy("http://localhost", _UnixTransport(path, timeout))
