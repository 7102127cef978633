"""Answers that a flake has packaged it."""

import platform
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

VERSION = "version 1"


class Hello(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        text = f"Hello from a flake: {VERSION}, Python {platform.python_version()}\n"
        self.wfile.write(text.encode())


ThreadingHTTPServer(("", int(sys.argv[1])), Hello).serve_forever()
