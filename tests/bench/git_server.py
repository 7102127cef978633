"""The floor of a push: git's own `http-backend` behind the least HTTP server that streams."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import IO

_CHUNK = 1024 * 1024


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """Serve the bare repositories in `folder`; yields the address they lie under."""
    handler = type("Handler", (_Handler,), {"folder": folder})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def make_bare(folder: Path, name: str) -> None:
    subprocess.run(["git", "init", "-q", "--bare", "-b", "main", folder / name], check=True)
    subprocess.run(["git", "-C", folder / name, "config", "http.receivepack", "true"], check=True)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    folder: Path

    def do_GET(self) -> None:
        self._backend()

    def do_POST(self) -> None:
        self._backend()

    def log_message(self, *_arguments: object) -> None:
        """Nothing: the output is the table."""

    def _backend(self) -> None:
        with subprocess.Popen(
            ["git", "http-backend"],
            env=self._environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        ) as backend:
            assert backend.stdin is not None and backend.stdout is not None
            with backend.stdin:
                self._copy_body(backend.stdin)
            self._answer(backend.stdout)

    def _environment(self) -> dict[str, str]:
        path, _, query = self.path.partition("?")
        given = {
            "CONTENT_LENGTH": self.headers.get("Content-Length"),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding"),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol"),
        }
        return {
            "PATH": os.environ["PATH"],
            "GIT_PROJECT_ROOT": str(self.folder),
            "GIT_HTTP_EXPORT_ALL": "1",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "REQUEST_METHOD": self.command,
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "REMOTE_ADDR": "127.0.0.1",
            **{name: value for name, value in given.items() if value is not None},
        }

    def _copy_body(self, to: IO[bytes]) -> None:
        if self.headers.get("Transfer-Encoding") == "chunked":
            while size := int(self.rfile.readline(), 16):
                self._copy(size, to)
                self.rfile.readline()
            self.rfile.readline()
        else:
            self._copy(int(self.headers.get("Content-Length", 0)), to)

    def _copy(self, size: int, to: IO[bytes]) -> None:
        while size:
            block = self.rfile.read1(min(size, _CHUNK))
            if not block:
                raise ConnectionError("the client went away")
            to.write(block)
            size -= len(block)

    def _answer(self, output: IO[bytes]) -> None:
        """CGI's answer (RFC 3875 section 6): header lines, an empty one, the body."""
        headers = {}
        while line := output.readline().decode().strip():
            name, _, value = line.partition(": ")
            headers[name] = value
        self.send_response(int(headers.pop("Status", "200").split()[0]))
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Connection", "close")
        self.end_headers()
        shutil.copyfileobj(output, self.wfile)
