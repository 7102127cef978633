"""Answers with what devenv.nix has put into the environment and on PATH."""

import argparse
import os
import platform
import subprocess
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Hello(BaseHTTPRequestHandler):
    def do_GET(self):
        text = subprocess.run(["greet"], capture_output=True, text=True, check=True).stdout
        body = f"{os.environ['GREETING']}: {text.strip()}, Python {platform.python_version()}\n"
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body.encode())


parser = argparse.ArgumentParser()
parser.add_argument("--port", type=int, required=True)
ThreadingHTTPServer(("", parser.parse_args().port), Hello).serve_forever()
