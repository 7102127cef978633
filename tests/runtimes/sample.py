"""Tiny apps of the standard library, and specs that run them."""

from __future__ import annotations

from pathlib import Path

from paas.runtimes.base import AppSpec, Artifact, ProcessSpec

SERVER = """\
import http.server, os, signal, socketserver, sys, threading, time

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self):
        if self.path.startswith("/slow"):
            time.sleep(float(self.path[5:] or 1))
        if self.path.startswith("/env/"):
            body = os.environ.get(self.path[5:], "-")
        elif self.path == "/headers":
            body = str(self.headers)
        elif self.path == "/write":
            open("written", "a").write("x")
            body = open("written").read()
        elif self.path == "/die":
            os._exit(7)
        else:
            body = os.environ.get("BODY", "hello") + " " + os.environ["DYNO"]
        data = body.encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    do_HEAD = do_GET

    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.do_GET()

    def log_message(self, *args):
        pass

class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = False
    request_queue_size = 512

server = Server(("0.0.0.0", int(os.environ["PORT"])), Handler)
signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
print("listening", flush=True)
server.serve_forever()
server.server_close()
print("bye", flush=True)
"""

PYTHON = "/usr/bin/python3"


def artifact(folder: Path, files: dict[str, str] | None = None) -> Artifact:
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o755)
    for name, text in ({"server.py": SERVER} | (files or {})).items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o644)
    return Artifact(kind="host", path=str(folder), digest="d1")


def web(
    command: str = f"exec {PYTHON} server.py", quantity: int = 1, **more: object
) -> ProcessSpec:
    return ProcessSpec(type="web", command=command, quantity=quantity, **more)  # type: ignore[arg-type]


def worker(command: str = "exec sleep 1000", quantity: int = 1, **more: object) -> ProcessSpec:
    return ProcessSpec(type="worker", command=command, quantity=quantity, **more)  # type: ignore[arg-type]


def spec(build: Artifact, *processes: ProcessSpec, app: str = "app", **more: object) -> AppSpec:
    fields: dict[str, object] = {
        "app_id": f"id-{app}",
        "app_number": 7,
        "name": app,
        "release": 1,
        "artifact": build,
        "environment": {"BODY": "one"},
        "processes": processes or (web(),),
        "hosts": (f"{app}.localhost",),
    }
    return AppSpec(**fields | more)  # type: ignore[arg-type]
