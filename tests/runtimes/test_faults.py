"""Kills at bad moments: the next apply or a few tends put everything right."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from paas.runtimes.base import AppSpec, Artifact, ProcessState, RuntimeFailure
from paas.runtimes.local import litter
from paas.runtimes.local.parts import Parts
from tests.runtimes import sample
from tests.runtimes.conformance import finish, up
from tests.runtimes.world import World, eventually

APPLY = """\
import sys
from dataclasses import replace
from pathlib import Path
from paas.runtimes.base import Artifact
from paas.instance import current
from paas.runtimes.local import LocalRuntime
from tests.runtimes import sample

build = Artifact("host", sys.argv[1], "d1")
spec = sample.spec(build, app=sys.argv[2], app_number=int(sys.argv[3]), release=2,
                   environment={"BODY": "two"})
for _ in LocalRuntime(current()).apply(spec, 2):
    pass
"""


def killed_apply(world: World, app: AppSpec, point: str, folder: Path) -> None:
    """Apply release 2 in a process that kills itself at a fault point."""
    (folder / point).write_text("kill")
    environ = os.environ | {
        "PAAS_FAULTS_DIR": str(folder),
        "PAAS_HOME": str(world.instance.home),
        "PAAS_PORT": str(world.instance.port),
    }
    argv = [sys.executable, "-c", APPLY, app.artifact.path, app.name, str(app.app_number)]
    done = subprocess.run(argv, env=environ, timeout=60, check=False)
    assert done.returncode == -signal.SIGKILL


def owned(world: World, app: AppSpec) -> dict[str, int]:
    """How many things of each kind the app has on this machine."""
    parts = Parts.of(world.instance, 20, 20)
    here = world.instance
    return {
        "programs": len(parts.supervisor.programs(f"{app.app_id}.")),
        "scratch": len(list((here.local_state / "scratch").glob(f"{app.app_id}.*"))),
        "specs": len(list((here.run / "processes").glob(f"{app.app_id}.*"))),
        "ports": sum(
            name.startswith(f"{app.app_id}.")
            for name in parts.processes.ports.reserved(before=time.time() + 1).values()
        ),
    }


ONE_OF_EACH = {"programs": 1, "scratch": 1, "specs": 1, "ports": 1}


@pytest.mark.parametrize(
    ("point", "release"), [("local.ready", 1), ("local.switch", 1), ("local.committed", 2)]
)
def test_apply_is_killed(
    world: World, app: AppSpec, tmp_path: Path, point: str, release: int
) -> None:
    """Before the switch the new is discarded by `tend` alone, after it the routes follow."""
    runtime = world.runtime()
    finish(runtime.apply(app, 1))
    killed_apply(world, app, point, tmp_path)
    eventually(lambda: not runtime.tend())
    assert world.get(app.hosts[0])[1] == ("one web.1" if release == 1 else "two web.1")
    assert [s.release for s in runtime.observe(app.app_id)] == [release]
    assert owned(world, app) == ONE_OF_EACH


def test_the_next_apply_clears_up_too(world: World, app: AppSpec, tmp_path: Path) -> None:
    runtime = world.runtime()
    finish(runtime.apply(app, 1))
    killed_apply(world, app, "local.switch", tmp_path)
    finish(runtime.apply(replace(app, release=3, environment={"BODY": "three"}), 3))
    assert world.get(app.hosts[0]) == (200, "three web.1")
    eventually(lambda: not runtime.tend())
    assert owned(world, app) == ONE_OF_EACH


def test_a_full_disk_is_told_and_harms_nothing(
    world: World, app: AppSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = world.runtime()
    finish(runtime.apply(app, 1))
    monkeypatch.setenv("PAAS_FAULTS_DIR", str(tmp_path))
    (tmp_path / "local.ready").write_text("full")
    with pytest.raises(RuntimeFailure, match="No space left on device"):
        finish(runtime.apply(replace(app, environment={"BODY": "two"}, release=2), 2))
    assert world.get(app.hosts[0]) == (200, "one web.1")
    eventually(lambda: not runtime.tend())
    assert owned(world, app) == ONE_OF_EACH


def test_litter_is_swept(world: World, app: AppSpec) -> None:
    runtime = world.runtime()
    finish(runtime.apply(app, 1))
    parts = Parts.of(world.instance, 20, 20)
    stray = f"{app.app_id}.web.9.feedbeef"
    box = world.instance.local_state / "scratch" / stray
    box.mkdir()
    (world.instance.run / "processes" / f"{stray}.json").write_text("{}")
    port = parts.processes.ports.reserve(stray)
    old = time.time() - 3600
    os.utime(world.instance.local_state / "ports" / str(port), (old, old))
    litter.sweep(parts)
    assert owned(world, app) == ONE_OF_EACH


@pytest.fixture
def own_world() -> Iterator[World]:
    """For tests that kill a server."""
    world = World()
    try:
        world.start()
        yield world
    finally:
        world.stop()


@pytest.fixture
def own_app(own_world: World) -> AppSpec:
    build: Artifact = sample.artifact(own_world.root / "build")
    return sample.spec(build, sample.web(), sample.worker("echo up; exec sleep 1000"))


def test_supervisord_is_killed(own_world: World, own_app: AppSpec) -> None:
    world, runtime = own_world, own_world.runtime()
    finish(runtime.apply(own_app, 1))
    pids = [s.pid for s in runtime.observe()]
    assert world.supervisord is not None
    world.supervisord.kill()
    world.supervisord.wait()
    eventually(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids))
    assert {s.state for s in runtime.observe()} == {ProcessState.DOWN}
    assert world.get("app.localhost")[0] == 503
    world.start_supervisord()
    finish(runtime.apply(own_app, 2))
    assert world.get("app.localhost") == (200, "one web.1")
    eventually(lambda: not runtime.tend())
    assert owned(world, own_app) == {"programs": 2, "scratch": 2, "specs": 2, "ports": 1}


def test_run_is_lost(own_world: World, own_app: AppSpec) -> None:
    """As after a reboot: only what is on disk remains."""
    world, runtime = own_world, own_world.runtime()
    finish(runtime.apply(own_app, 1))
    for server in (world.supervisord, world.caddy):
        assert server is not None
        server.kill()
        server.wait()
    subprocess.run(["rm", "-rf", "--", world.instance.run], check=True)
    world.start()
    assert world.get("app.localhost")[0] == 404
    finish(runtime.apply(own_app, 2))
    assert world.get("app.localhost") == (200, "one web.1")


def test_caddy_is_killed(own_world: World, own_app: AppSpec) -> None:
    world, runtime = own_world, own_world.runtime()
    finish(runtime.apply(own_app, 1))
    assert world.caddy is not None
    world.caddy.kill()
    world.caddy.wait()
    world.start_caddy()
    assert world.get("app.localhost") == (200, "one web.1")


def test_supervisord_is_told_to_stop(own_world: World, own_app: AppSpec) -> None:
    """Its apps are told as well, and get their time."""
    world = own_world
    finish(world.runtime().apply(own_app, 1))
    assert world.supervisord is not None
    world.supervisord.terminate()
    world.supervisord.wait(30)
    raw = world.instance.app_logs / own_app.app_id / "web.1.raw"
    assert raw.read_text().splitlines()[-1] == "bye"


def test_a_flood_slows_only_itself(own_world: World, own_app: AppSpec) -> None:
    world, runtime = own_world, own_world.runtime()
    flood = replace(sample.worker("exec yes flooding"), type="flood")
    finish(runtime.apply(replace(own_app, processes=(*own_app.processes, flood)), 1))
    raw = world.instance.app_logs / own_app.app_id / "flood.1.raw"
    backup = raw.with_name("flood.1.raw.1")
    eventually(backup.exists)
    for _ in range(50):
        assert world.get("app.localhost")[0] == 200
        runtime.observe()
    assert raw.stat().st_size + backup.stat().st_size < 11 * 1024 * 1024
    finish(runtime.apply(own_app, 2))
    eventually(lambda: not runtime.tend())
    assert sorted(up(runtime, own_app.app_id)) == ["web.1", "worker.1"]
