"""The Procfile-only sample: no dependencies, no language file, just a command."""

import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

VERSION = "procfile one"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        body = f"{VERSION} {os.environ.get('GREETING', 'no greeting')}\n".encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


ThreadingHTTPServer(("0.0.0.0", int(os.environ["PORT"])), Handler).serve_forever()
