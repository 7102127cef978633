"""The wire from Caddy to the router line: the front door's own configuration, real requests."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from apps.logs import store
from paas.instance import Instance
from paas.runtimes.local.frontdoor import caddy_config
from paas.runtimes.local.routes import Routes

from .scene import Scene
from .servers import RedisServer, wait_until


class Hello(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "5")
        self.end_headers()
        self.wfile.write(b"hello")

    def log_message(self, *_: object) -> None:
        pass


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def app_port() -> Iterator[int]:
    server = HTTPServer(("127.0.0.1", 0), Hello)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


@pytest.fixture
def front(instance: Instance, short_dir: Path) -> Iterator[Instance]:
    here = replace(instance, port=free_port())
    config = short_dir / "caddy.json"
    config.write_text(json.dumps(caddy_config(here)))
    program = shutil.which("caddy") or str(Path(sys.executable).parent / "caddy")
    caddy = subprocess.Popen([program, "run", "--config", str(config)], stderr=subprocess.DEVNULL)
    wait_until(lambda: _listens(here.port))  # later than its own socket is there
    yield here
    caddy.kill()
    caddy.wait()


@pytest.fixture
def scene(front: Instance, redis_server: RedisServer) -> Iterator[Scene]:
    scene = Scene(front, redis_server.url)
    yield scene
    scene.kill()


def get(instance: Instance, path: str) -> int:
    connection = HTTPConnection("127.0.0.1", instance.port, timeout=30)
    connection.putrequest("GET", path, skip_host=True)
    connection.putheader("Host", f"hello.localhost:{instance.port}")
    connection.endheaders()
    status = connection.getresponse().status
    connection.close()
    return status


def routed(folder: Path) -> list[str]:
    return [line.text for line in store.tail(folder, 10, store.Filter("paas", "router"))]


def test_a_request_becomes_a_router_line(scene: Scene, front: Instance, app_port: int) -> None:
    folder = scene.add_app("a1")
    scene.tell(hosts={"hello.localhost": "a1"}, ports={str(app_port): "web.2"})
    Routes(front).set(["hello.localhost"], [app_port], maintenance=False)
    scene.start()
    assert get(front, "/x?y=z") == 200
    wait_until(lambda: routed(folder))
    (line,) = routed(folder)
    assert line.startswith(f'at=info method=GET path="/x?y=z" host=hello.localhost:{front.port} ')
    assert ' fwd="127.0.0.1" dyno=web.2 ' in line
    assert line.endswith(" status=200 bytes=5 protocol=http")


def test_what_the_front_door_answers_itself_has_a_code(scene: Scene, front: Instance) -> None:
    folder = scene.add_app("a1")
    scene.tell(hosts={"hello.localhost": "a1"})
    routes = Routes(front)
    routes.set(["hello.localhost"], [], maintenance=False)
    scene.start()
    assert get(front, "/no-web") == 503
    routes.set(["hello.localhost"], [free_port()], maintenance=False)
    assert get(front, "/crashed") == 503
    routes.set(["hello.localhost"], [free_port()], maintenance=True)
    assert get(front, "/closed") == 503
    wait_until(lambda: len(routed(folder)) == 3)
    codes = [line.split(" method=")[0] for line in routed(folder)]
    assert codes == [
        'at=error code=H14 desc="No web processes running"',
        'at=error code=H10 desc="App crashed"',
        'at=error code=H80 desc="Maintenance mode"',
    ]
