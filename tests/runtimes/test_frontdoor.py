"""What the front door answers, and what it writes to the router's log."""

from __future__ import annotations

import http.server
import json
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from paas.runtimes.base import AppSpec
from tests.runtimes import sample
from tests.runtimes.conformance import finish
from tests.runtimes.world import World, eventually

HTML = "text/html,application/xhtml+xml"


def last_entry(world: World, host: str) -> dict[str, Any]:
    """The newest line of the router's log about `host`."""

    def entries() -> list[dict[str, Any]]:
        lines = world.instance.router_log.read_text().split("\n")[:-1]  # whole ones
        return [e for e in map(json.loads, lines) if e["request"]["host"] == host]

    eventually(entries)
    return entries()[-1]


class TestPages:
    def test_unknown_host(self, world: World) -> None:
        status, text = world.get("nobody.localhost")
        assert (status, text.splitlines()[0][:23]) == (404, "There is no app here: N")
        status, page = world.get("nobody.localhost", Accept=HTML)
        assert status == 404
        assert "<h1>There is no app here</h1>" in page
        assert "color-scheme: light dark;" in page  # braces are no placeholders

    def test_no_web_process(self, world: World, app: AppSpec) -> None:
        spec = replace(app, processes=(sample.worker(),))
        finish(world.runtime().apply(spec, 1))
        status, text = world.get(app.hosts[0])
        assert status == 503
        assert "paas ps:scale web=1" in text
        assert last_entry(world, app.hosts[0])["code"] == "H14"

    def test_scaled_to_zero_and_back(self, world: World, app: AppSpec) -> None:
        runtime = world.runtime()
        finish(runtime.apply(app, 1))
        finish(runtime.apply(replace(app, processes=(sample.web(quantity=0),)), 2))
        assert world.get(app.hosts[0])[0] == 503
        finish(runtime.apply(app, 3))
        assert world.get(app.hosts[0]) == (200, "one web.1")

    def test_maintenance(self, world: World, app: AppSpec) -> None:
        runtime = world.runtime()
        finish(runtime.apply(app, 1))
        pid = runtime.observe(app.app_id)[0].pid
        finish(runtime.apply(replace(app, maintenance=True), 2))
        status, text = world.get(app.hosts[0])
        assert status == 503
        assert text.startswith("Offline for maintenance")
        assert last_entry(world, app.hosts[0])["code"] == "H80"
        finish(runtime.apply(app, 3))
        assert world.get(app.hosts[0]) == (200, "one web.1")
        assert runtime.observe(app.app_id)[0].pid == pid

    def test_a_crashed_app(self, world: World, app: AppSpec) -> None:
        finish(world.runtime().apply(app, 1))
        world.get(app.hosts[0], "/die", "POST")
        world.get(app.hosts[0], "/die", "POST")
        status, _ = world.get(app.hosts[0], "/die", "POST")
        assert status in (502, 503)
        assert last_entry(world, app.hosts[0])["code"] in ("H10", "H13")

    @pytest.mark.parametrize("host", ["*.localhost", "[a].localhost", "..localhost", "?", "x/../a"])
    def test_odd_hosts_reach_no_app(self, world: World, app: AppSpec, host: str) -> None:
        finish(world.runtime().apply(app, 1))
        assert world.get(host)[0] in (400, 404, 503)


class TestHosts:
    def test_a_second_host_and_its_end(self, world: World, app: AppSpec) -> None:
        runtime = world.runtime()
        other = f"www.{app.name}.example"
        finish(runtime.apply(replace(app, hosts=(*app.hosts, other)), 1))
        assert world.get(other) == (200, "one web.1")
        finish(runtime.apply(app, 2))
        assert world.get(other)[0] == 404
        assert world.get(app.hosts[0])[0] == 200

    def test_a_host_that_another_app_has_taken_stays(self, world: World, app: AppSpec) -> None:
        runtime = world.runtime()
        finish(runtime.apply(app, 1))
        renamed = replace(app, hosts=(f"new-{app.hosts[0]}",))
        heir = replace(app, app_id=f"{app.app_id}-heir", environment={"BODY": "heir"})
        finish(runtime.apply(heir, 1))
        finish(runtime.apply(renamed, 2))
        assert world.get(app.hosts[0]) == (200, "heir web.1")
        runtime.remove(heir.app_id, 2)

    def test_a_host_given_up_late_is_its_new_owners_again(self, world: World, app: AppSpec) -> None:
        """An apply that began before the host changed hands takes it; only for a moment."""
        runtime, moving = world.runtime(), f"www.{app.name}.example"
        heir = replace(app, app_id=f"{app.app_id}-heir", environment={"BODY": "heir"})
        heir = replace(heir, hosts=(moving,))
        finish(runtime.apply(heir, 1))
        finish(runtime.apply(replace(app, hosts=(*app.hosts, moving)), 1))
        assert world.get(moving) == (200, "one web.1")
        runtime.route(app.app_id, app.hosts, maintenance=False, routing=1)
        assert world.get(moving) == (200, "heir web.1")
        runtime.remove(heir.app_id, 2)
        assert world.get(moving)[0] == 404

    def test_a_route_that_nobody_knows_is_litter(self, world: World, app: AppSpec) -> None:
        finish(world.runtime().apply(app, 1))
        (world.instance.routes / "hosts" / "left.example.com").mkdir()
        assert world.get("left.example.com")[0] == 503
        world.runtime().tend()  # a fresh one sweeps at once
        assert world.get("left.example.com")[0] == 404
        assert world.get(app.hosts[0])[0] == 200


class TestHeadersAndLog:
    def test_headers_are_herokus(self, world: World, app: AppSpec) -> None:
        finish(world.runtime().apply(app, 1))
        _, text = world.get(app.hosts[0], "/headers", **{"X-Forwarded-For": "6.6.6.6"})
        headers = dict(line.split(": ", 1) for line in text.splitlines() if line)
        assert headers["X-Forwarded-For"] == "127.0.0.1"
        assert headers["X-Forwarded-Proto"] == "http"
        assert headers["X-Forwarded-Port"] == str(world.instance.port)
        assert headers["X-Request-Id"] == last_entry(world, app.hosts[0])["request_id"]
        assert headers["X-Request-Start"].isdecimal()

    def test_log_names_the_process_and_no_secret(self, world: World, app: AppSpec) -> None:
        runtime = world.runtime()
        finish(runtime.apply(app, 1))
        world.get(app.hosts[0], "/seen", Authorization="Bearer canary-1", X_Key="canary-2")
        entry = last_entry(world, app.hosts[0])
        port = int(entry["upstream"].rpartition(":")[2])
        assert runtime.routes().ports[port] == "web.1"
        assert (entry["request"]["uri"], entry["status"]) == ("/seen", 200)
        assert "canary" not in json.dumps(entry)
        assert world.instance.router_log.stat().st_mode & 0o777 == 0o600


class _Echo(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(f"{self.server.server_address}".encode())

    def address_string(self) -> str:
        return "unix"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        return


@contextmanager
def serving(path: Path) -> Iterator[None]:
    """A part of the panel on its socket."""
    server = socketserver.ThreadingUnixStreamServer(str(path), _Echo)
    threading.Thread(target=server.serve_forever, args=(0.05,)).start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        path.unlink()


class TestPanel:
    HOSTS = ("localhost", "127.0.0.1", "localhost:8080", "[::1]")

    @pytest.mark.parametrize("host", HOSTS)
    def test_web_gets_the_rest_and_the_gateway_git(self, world: World, host: str) -> None:
        here = world.instance
        with serving(here.web_socket), serving(here.gateway_socket):
            assert world.get(host, "/apps") == (200, str(here.web_socket))
            assert world.get(host, "/hello.git/info/refs") == (200, str(here.gateway_socket))
            assert world.get(host, "/hello.git") == (200, str(here.gateway_socket))
            assert world.get(host, "/apps/hello.git/x") == (200, str(here.web_socket))

    @pytest.mark.parametrize(
        "path", ["/internal", "/internal/x", "/INTERNAL/x", "//internal/x", "/%69nternal/x"]
    )
    def test_internal_is_closed(self, world: World, path: str) -> None:
        with serving(world.instance.web_socket):
            assert world.get("localhost", path)[0] == 404

    def test_down(self, world: World) -> None:
        status, text = world.get("localhost", "/apps")
        assert status == 503
        assert json.loads(text)["id"] == "unavailable"
        status, page = world.get("localhost", "/dashboard/", Accept=HTML)
        assert status == 503
        assert "<h1>The panel is starting</h1>" in page

    def test_is_not_in_the_routers_log(self, world: World) -> None:
        world.get("localhost", "/secret-path")
        world.get("nobody.localhost", "/after")
        last_entry(world, "nobody.localhost")
        assert "secret-path" not in world.instance.router_log.read_text()
