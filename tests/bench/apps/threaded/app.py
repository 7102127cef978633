"""Answers with its release and an echo: `/` at once, `/slow?s=2` after that many seconds.

The body is `VERSION/GREETING METHOD NONCE DIGEST`, where NONCE is the query's
`n` and DIGEST the SHA-256 of what was posted.
"""

import hashlib
import os
import signal
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

VERSION = "one"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        posted = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        query = parse_qs(urlsplit(self.path).query)
        time.sleep(float(query.get("s", ["0"])[0]))
        nonce = query.get("n", ["-"])[0]
        digest = hashlib.sha256(posted).hexdigest()
        greeting = os.environ.get("GREETING", "none")
        body = f"{VERSION}/{greeting} {self.command} {nonce} {digest}\n".encode()
        head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        self.wfile.write(head + body)

    do_POST = do_GET  # noqa: N815 - the name http.server calls


class Server(ThreadingHTTPServer):
    daemon_threads = False  # the end waits for requests in flight
    request_queue_size = 256


if __name__ == "__main__":
    server = Server(("127.0.0.1", int(os.environ["PORT"])), Handler)
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    server.serve_forever(poll_interval=0.05)
    server.server_close()
