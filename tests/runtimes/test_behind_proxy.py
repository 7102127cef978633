"""PAAS_TLS=proxy: the front door behind a cluster's ingress, whose word it takes."""

from __future__ import annotations

import http.server
import json
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tests.runtimes.world import World

HOST = "apps.example.org"


class _Echo(http.server.BaseHTTPRequestHandler):
    """In place of the panel: tells what it was told."""

    def do_GET(self) -> None:
        body = json.dumps(dict(self.headers)).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def address_string(self) -> str:
        return "front door"

    def log_message(self, *args: object) -> None:
        pass


@contextmanager
def door(**settings: str) -> Iterator[World]:
    world = World(PAAS_DOMAIN=HOST, **settings)
    world.instance.run.mkdir(parents=True, exist_ok=True)
    try:
        world.start_caddy()
        with socketserver.ThreadingUnixStreamServer(str(world.instance.web_socket), _Echo) as panel:
            threading.Thread(target=panel.serve_forever, daemon=True).start()
            yield world
            panel.shutdown()
    finally:
        world.stop()


def told(world: World, **headers: str) -> dict[str, str]:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    status, body = world.get(HOST, **sent)
    assert status == 200
    found: dict[str, str] = json.loads(body)
    return found


def test_the_proxy_is_believed_and_the_client_is_not() -> None:
    with door(PAAS_TLS="proxy") as world:
        assert world.instance.origin == f"https://{HOST}"
        seen = told(world, X_Forwarded_For="6.6.6.6, 203.0.113.7", X_Forwarded_Proto="https")
        # What the client itself has sent stands left of what the proxy has added.
        assert seen["X-Forwarded-For"] == "203.0.113.7"
        assert seen["X-Forwarded-Proto"] == "https"
        assert told(world)["X-Forwarded-For"] == "127.0.0.1"


def test_without_a_proxy_nobody_is_believed() -> None:
    with door() as world:
        seen = told(world, X_Forwarded_For="203.0.113.7", X_Forwarded_Proto="https")
        assert (seen["X-Forwarded-For"], seen["X-Forwarded-Proto"]) == ("127.0.0.1", "http")
