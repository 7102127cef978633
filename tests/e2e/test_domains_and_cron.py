"""Custom domains over HTTP and HTTPS, and cron tasks, on an instance whose parts are killed."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.parts import Faults
from tests.e2e.world import World, free_port, running

HOST = "www.example.com"
EVERY_MINUTE = {"command": "sh -c 'echo tick-$DYNO; exit 0'", "schedule": "* * * * *"}
FAILING = {"command": "sh -c 'echo going-down; exit 7'", "schedule": "@yearly"}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, faults: Faults) -> Iterator[World]:
    tls = {"PAAS_TLS": "internal", "PAAS_HTTPS_PORT": str(free_port())}
    folder = tmp_path_factory.mktemp("domains")
    with running(folder, PAAS_FAULTS_DIR=str(faults.folder), **tls) as world:
        yield world


@pytest.fixture(scope="module")
def app(world: World) -> Path:
    folder = world.repository("procfile", "named")
    world.paas("create", "named", cwd=folder)
    world.git("push", "paas", "main", cwd=folder)
    return folder


def until(condition: Callable[[], object], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.1)


def status(world: World, host: str = HOST) -> int:
    return world.get(headers={"Host": f"{host}:{world.port}"}).status


def secure(world: World, host: str) -> int:
    """One request by HTTPS, with trust in the instance's own root and nothing else."""
    root = world.home / "caddy" / "pki" / "authorities" / "local" / "root.crt"
    port = int(world.extra["PAAS_HTTPS_PORT"])
    context = ssl.create_default_context(cafile=str(root))
    with (
        socket.create_connection(("127.0.0.1", port), 30) as plain,
        context.wrap_socket(plain, server_hostname=host) as wrapped,
    ):
        connection = http.client.HTTPConnection(host, port)
        connection.sock = wrapped
        connection.request("GET", "/")
        return connection.getresponse().status


class TestDomains:
    def test_from_add_to_remove(self, world: World, app: Path) -> None:
        added = world.paas("domains:add", "WWW.Example.com", cwd=app)
        assert "point to the DNS Target named.localhost" in added.stdout
        assert status(world) == 200, "it answers when the command returns"
        world.paas("domains:wait", HOST, cwd=app)
        assert secure(world, HOST) == 200
        assert secure(world, "named.localhost") == 200
        until(lambda: "cert issued" in world.paas("domains", cwd=app).stdout)
        info = json.loads(world.paas("domains:info", HOST, "--json", cwd=app).stdout)
        assert (info["status"], info["kind"]) == ("succeeded", "custom")
        assert info["acm_status_reason"].startswith("Valid until")
        until(lambda: f"host={HOST}" in world.paas("logs", "-n", "50", cwd=app).stdout)
        world.paas("domains:remove", HOST, cwd=app)
        assert status(world) == 404, "and no more when this one does"

    def test_names_that_nobody_may_have(self, world: World, app: Path) -> None:
        for name in ("other.localhost", "127.0.0.1", "*.example.com", "https://example.com"):
            done = world.paas("domains:add", name, cwd=app, check=False)
            assert done.returncode == 1 and "Error" in done.stderr, name

    def test_a_name_goes_from_app_to_app(self, world: World, app: Path) -> None:
        world.paas("create", "heir", cwd=world.folder)
        world.paas("domains:add", HOST, cwd=app)
        refused = world.paas("domains:add", HOST, "-a", "heir", check=False)
        assert "in use by another app" in refused.stderr and "named" not in refused.stderr
        world.paas("domains:clear", cwd=app)
        world.paas("domains:add", HOST, "-a", "heir")
        world.paas("apps:destroy", "-a", "heir", "--confirm", "heir")
        world.paas("domains:add", HOST, cwd=app)
        assert status(world) == 200
        world.paas("domains:remove", HOST, cwd=app)

    @pytest.mark.parametrize(
        ("point", "command", "then"),
        [("domain.added", "domains:add", 200), ("domain.removed", "domains:remove", 404)],
    )
    def test_killed_half_way_it_comes_to_its_end(
        self, world: World, app: Path, faults: Faults, point: str, command: str, then: int
    ) -> None:
        faults.order(point, "kill")
        world.paas(command, HOST, cwd=app, check=False)
        faults.wait_hit(point)
        until(lambda: status(world) == then)
        faults.clear()

    def test_no_deploy_holds_it_up(self, world: World, app: Path, faults: Faults) -> None:
        world.set_version(app, "second")
        faults.order("release.ready", "pause")
        push = subprocess.Popen(["git", "push", "paas", "main"], cwd=app, env=world.environment)
        hit = faults.wait_hit("release.ready")
        world.paas("domains:add", HOST, cwd=app)
        assert status(world) == 200
        hit.unlink()
        assert push.wait(60) == 0
        assert "second" in world.get(headers={"Host": HOST}).body
        world.paas("domains:remove", HOST, cwd=app)
        faults.clear()


@pytest.fixture(scope="module")
def tasks(world: World, app: Path) -> list[str]:
    """The ids of the two tasks, once they are live."""
    _push(world, app, [EVERY_MINUTE, FAILING])
    shown = json.loads(world.paas("cron", "--json", cwd=app).stdout)
    return [task["id"] for task in shown]


class TestCron:
    def test_a_wrong_one_rejects_the_push(self, world: World, app: Path) -> None:
        done = _push(world, app, [{"command": "a | b", "schedule": "@daily"}], check=False)
        assert done.returncode != 0
        assert "app.json" in done.stderr and "cron[0].command" in done.stderr
        world.git("reset", "-q", "--hard", "HEAD~1", cwd=app)

    def test_by_hand_it_ends_as_the_task_does(
        self, world: World, app: Path, tasks: list[str]
    ) -> None:
        done = world.paas("cron:run", tasks[1], cwd=app, check=False)
        assert done.returncode == 7 and "status 7" in done.stderr
        until(lambda: "going-down" in _log(world, app))
        assert "failed (7)" in world.paas("cron", cwd=app).stdout

    def test_a_due_minute_is_one_run_though_the_worker_dies(
        self, world: World, app: Path, tasks: list[str], faults: Faults
    ) -> None:
        faults.order("cron.claimed", "kill")
        faults.wait_hit("cron.claimed", seconds=75)
        faults.clear()
        until(lambda: _ended(world, tasks[0]), seconds=45)
        world.paas("cron:suspend", tasks[0], cwd=app)
        runs = [run for run in _runs(world, tasks[0]) if run["state"] == "succeeded"]
        minutes = [run["minute"] for run in _runs(world, tasks[0])]
        assert runs and len(set(minutes)) == len(minutes)
        until(lambda: f"tick-{runs[-1]['process']}" in _log(world, app))
        assert _log(world, app).count(f": tick-{runs[-1]['process']}\n") == 1

    def test_a_rollback_brings_the_old_tasks_back(
        self, world: World, app: Path, tasks: list[str]
    ) -> None:
        _push(world, app, [FAILING])
        assert [task["id"] for task in _tasks(world)] == [tasks[1]]
        world.paas("rollback", cwd=app)
        assert [task["id"] for task in _tasks(world)] == tasks
        assert _tasks(world)[0]["paused"] == "suspended"


def _push(world: World, app: Path, tasks: object, *, check: bool = True):
    (app / "app.json").write_text(json.dumps({"cron": tasks}))
    world.commit(app, "Change the cron tasks")
    return world.git("push", "paas", "main", cwd=app, check=check)


def _tasks(world: World) -> list[dict]:
    return world.api("GET", "/apps/named/cron")[1]  # type: ignore[return-value]


def _runs(world: World, task: str) -> list[dict]:
    return world.api("GET", f"/apps/named/cron/{task}/runs")[1]  # type: ignore[return-value]


def _ended(world: World, task: str) -> bool:
    with contextlib.suppress(OSError):
        return any(run["state"] == "succeeded" for run in _runs(world, task))
    return False


def _log(world: World, app: Path) -> str:
    return world.paas("logs", "-n", "500", cwd=app).stdout
