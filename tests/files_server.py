"""An HTTPS server of the test's own that plays one on the internet, as `files.test`."""

from __future__ import annotations

import http.server
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from paas import outbound

HOST = "files.test"


@dataclass
class Files:
    """Answers by path: (status, headers, body); what was asked is in `asked`."""

    port: int
    answers: dict[str, tuple[int, dict[str, str], bytes]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def url(self, path: str, host: str = HOST) -> str:
        return f"https://{host}:{self.port}{path}"

    def put(self, path: str, body: bytes, status: int = 200, **headers: str) -> str:
        self.answers[path] = (status, headers, body)
        return self.url(path)


@contextmanager
def files_server(folder: Path, patch: pytest.MonkeyPatch) -> Iterator[Files]:
    """Its certificate is trusted, its name known and its address taken for a public one."""
    certificate, key = folder / "cert.pem", folder / "key.pem"
    argv = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    argv += ["-nodes", "-days", "2", "-subj", f"/CN={HOST}"]
    argv += ["-addext", f"subjectAltName=DNS:{HOST}"]
    argv += ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run(argv, check=True, capture_output=True)
    files = Files(0)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            files.asked.append(self.path)
            status, headers, body = files.answers.get(self.path, (404, {}, b""))
            self.send_response(status)
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            for name, value in {"Content-Length": str(len(body)), **named}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            pass

    known = socket.getaddrinfo

    def look_up(host: Any, *rest: Any, **more: Any) -> Any:
        return known("127.0.0.1" if host == HOST else host, *rest, **more)

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        files.port = server.server_address[1]
        patch.setenv("SSL_CERT_FILE", str(certificate))
        patch.setattr(outbound.socket, "getaddrinfo", look_up)
        patch.setattr(outbound, "is_public", lambda address: str(address) == "127.0.0.1")
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield files
        server.shutdown()
