"""Switching: nothing is lost, the old drain, and stubborn ones are killed."""

from __future__ import annotations

import http.client
import threading
import time
from contextlib import closing
from dataclasses import dataclass, field, replace

import pytest

from paas.runtimes.base import AppSpec, ProcessState
from paas.runtimes.local import LocalRuntime
from tests.runtimes import sample
from tests.runtimes.conformance import finish, up
from tests.runtimes.world import World, eventually

SWITCHES = 6


@dataclass
class Load:
    """Clients that ask all the time, and what went wrong."""

    port: int
    host: str
    failures: list[str] = field(default_factory=list)
    answered: int = 0
    stop: threading.Event = field(default_factory=threading.Event)

    def keep_alive(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        with closing(connection):
            while not self.stop.is_set():
                self._ask(connection, "POST", "/")
                time.sleep(0.005)

    def close(self) -> None:
        while not self.stop.is_set():
            self._once("/", {"Connection": "close"})
            time.sleep(0.005)

    def slow(self) -> None:
        while not self.stop.is_set():
            self._once("/slow1.5", {})

    def _once(self, path: str, headers: dict[str, str]) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        with closing(connection):
            self._ask(connection, "GET", path, headers)

    def _ask(
        self,
        connection: http.client.HTTPConnection,
        method: str,
        path: str,
        headers: dict[str, str] | None = None,
    ) -> None:
        try:
            body = b"x" * 100 if method == "POST" else None
            connection.request(method, path, body, {"Host": self.host, **(headers or {})})
            response = connection.getresponse()
            text = response.read()
        except (OSError, http.client.HTTPException) as error:
            self.failures.append(f"{method} {path}: {error!r}")
            connection.close()
            return
        if response.status != 200:
            self.failures.append(f"{method} {path}: {response.status} {text[:80]!r}")
        self.answered += 1


def test_no_request_is_lost(world: World, app: AppSpec) -> None:
    runtime = world.runtime()
    spec = replace(app, processes=(sample.web(quantity=2),))
    finish(runtime.apply(spec, 1))
    load = Load(world.instance.port, app.hosts[0])
    clients = [threading.Thread(target=load.keep_alive) for _ in range(3)]
    clients += [threading.Thread(target=load.close) for _ in range(3)]
    clients += [threading.Thread(target=load.slow) for _ in range(3)]
    for client in clients:
        client.start()
    try:
        for number in range(2, 2 + SWITCHES):
            body = {"BODY": f"v{number}"}
            finish(runtime.apply(replace(spec, environment=body, release=number), number))
            assert world.get(app.hosts[0])[1].startswith(f"v{number} ")
            runtime.tend()
        eventually(lambda: not runtime.tend(), within=60)
    finally:
        load.stop.set()
        for client in clients:
            client.join()
    assert load.failures == []
    assert load.answered > 100


def test_the_old_drain_and_leave_nothing(world: World, app: AppSpec) -> None:
    runtime = world.runtime()
    finish(runtime.apply(app, 1))
    old = up(runtime, app.app_id)["web.1"]
    finish(runtime.apply(replace(app, environment={"BODY": "two"}, release=2), 2))
    states = [s.state for s in runtime.observe(app.app_id) if s.pid == old.pid]
    assert states == [ProcessState.STOPPING]
    assert runtime.tend()
    eventually(lambda: not runtime.tend())
    assert [s.release for s in runtime.observe(app.app_id)] == [2]
    folder = world.instance.routes / "hosts" / app.hosts[0]
    assert len(list(folder.iterdir())) == 1
    scratches = (world.instance.local_state / "scratch").glob(f"{app.app_id}.*")
    assert len(list(scratches)) == 1
    assert len(list((world.instance.run / "processes").glob(f"{app.app_id}.*"))) == 1
    raw = world.instance.app_logs / app.app_id / "web.1.raw"
    assert "bye" in raw.read_text()  # SIGTERM, and time to act on it


def test_a_process_that_ignores_sigterm_is_killed(world: World, app: AppSpec) -> None:
    runtime = world.runtime(stop_timeout=1)
    stubborn = sample.worker("trap '' TERM; echo ready; while :; do sleep 1; done")
    finish(runtime.apply(replace(app, processes=(sample.web(), stubborn)), 1))
    raw = world.instance.app_logs / app.app_id / "worker.1.raw"
    eventually(lambda: "ready" in raw.read_text())
    finish(runtime.apply(app, 2))
    eventually(lambda: not runtime.tend())
    assert list(up(runtime, app.app_id)) == ["web.1"]


def test_all_processes_inside_get_sigterm(world: World, app: AppSpec) -> None:
    """Not only the first one, which is a shell here."""
    runtime = world.runtime()
    script = "trap 'echo child got it; exit' TERM; echo ready; while :; do sleep 0.1; done"
    # The shell in front waits: were it gone first, the kernel would kill what is left inside.
    worker = sample.worker(f'trap : TERM; sh -c "{script}"; echo parent')
    finish(runtime.apply(replace(app, processes=(sample.web(), worker)), 1))
    raw = world.instance.app_logs / app.app_id / "worker.1.raw"
    eventually(lambda: "ready" in raw.read_text())
    finish(runtime.apply(app, 2))
    eventually(lambda: not runtime.tend())
    assert "child got it" in raw.read_text()


def test_each_process_writes_to_a_view_of_its_own(world: World, app: AppSpec) -> None:
    runtime = world.runtime()
    finish(runtime.apply(app, 1))
    assert world.get(app.hosts[0], "/write") == (200, "x")
    assert world.get(app.hosts[0], "/write") == (200, "xx")
    finish(runtime.apply(replace(app, processes=(sample.web(restarts={"": 1}),)), 2))
    assert world.get(app.hosts[0], "/write") == (200, "x")


def test_a_restart_after_a_crash_begins_afresh(world: World, app: AppSpec) -> None:
    runtime = world.runtime()
    finish(runtime.apply(app, 1))
    assert world.get(app.hosts[0], "/write") == (200, "x")
    world.get(app.hosts[0], "/die", "POST")
    eventually(lambda: runtime.observe(app.app_id)[0].restarts == 1)
    eventually(lambda: world.get(app.hosts[0])[0] == 200)
    assert world.get(app.hosts[0], "/write") == (200, "x")


@pytest.mark.parametrize("detached", [False, True])
def test_a_one_off_may_open_its_own_output(world: World, app: AppSpec, detached: bool) -> None:
    command = "echo opened > /dev/stdout"
    run = world.runtime().run(app, command, name="run.5", detached=detached, timeout=60)
    assert list(run.lines()) == ["opened"]
    assert run.wait() == 0


def test_environment(world: World, app: AppSpec) -> None:
    finish(world.runtime().apply(app, 1))
    host = app.hosts[0]
    assert world.get(host, "/env/DYNO") == (200, "web.1")
    assert world.get(host, "/env/HOME") == (200, "/app")
    assert world.get(host, "/env/BODY") == (200, "one")
    assert world.get(host, "/env/PATH") == (200, "/usr/local/bin:/usr/bin:/bin")
    assert 20000 <= int(world.get(host, "/env/PORT")[1]) <= 31999
    assert world.get(host, "/env/SUPERVISOR_SERVER_URL") == (200, "-")


def test_metrics_and_log_sources(world: World, app: AppSpec) -> None:
    runtime = world.runtime()
    finish(runtime.apply(app, 1))
    (usage,) = runtime.metrics(app.app_id)
    assert usage.name == "web.1"
    assert usage.memory > 1_000_000
    (source,) = [s for s in runtime.log_sources() if s.app_id == app.app_id]
    assert (source.process, source.path.name) == ("web.1", "web.1.raw")


def test_crashes_are_backed_off_and_counted(world: World, app: AppSpec) -> None:
    runtime: LocalRuntime = world.runtime()
    worker = sample.worker("sleep 1; exit 3")
    finish(runtime.apply(replace(app, processes=(sample.web(), worker)), 1))

    def status() -> tuple[ProcessState, int, str]:
        (one,) = [s for s in runtime.observe(app.app_id) if s.name == "worker.1"]
        return one.state, one.restarts, one.reason

    crashed = (ProcessState.CRASHED, 0, "Process exited with status 3")
    eventually(lambda: status() == crashed)
    eventually(lambda: status()[:2] == (ProcessState.UP, 1))
    eventually(lambda: status()[:2] == (ProcessState.CRASHED, 1))
    assert list(up(runtime, app.app_id)) == ["web.1"]
