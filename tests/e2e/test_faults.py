"""Killing parts at every arrow of a deploy: nothing is lost, nothing is left over."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.parts import Faults, assert_nothing_left, find, kill, rows, wait_settled
from tests.e2e.world import World, running

ARROWS = [
    "deploy.claimed",
    "build.unpacked",
    "build.built",
    "deploy.releasing",
    "deploy.release-created",
    "release.phase",
    "release.phase-done",
    "release.starting",
    "release.ready",
    "release.committed",
]
OTHERS = ["web", "gateway", "observer", "redis", "caddy", "panel", "apps"]
MOMENTS = ["build.unpacked", "release.starting", "release.committed"]


@pytest.fixture(scope="module")
def faults(tmp_path_factory: pytest.TempPathFactory) -> Faults:
    return Faults(tmp_path_factory.mktemp("faults"))


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory, faults: Faults) -> Iterator[World]:
    """An instance whose fault points are armed, with an app that is live."""
    folder = tmp_path_factory.mktemp("broken")
    with running(folder, PAAS_FAULTS_DIR=str(faults.folder)) as world:
        app = world.repository("flask", "app")
        world.paas("create", "victim", cwd=app)
        world.git("push", "paas", "main", cwd=app)
        yield world


def _change(world: World, body: str) -> Path:
    """A commit that changes what the app says."""
    app = world.folder / "app"
    world.set_version(app, body)
    return app


def _push(world: World, app: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        ["git", "push", "paas", "main"],
        cwd=app,
        env=world.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def _cut(push: subprocess.Popen[str]) -> None:
    """The user's Ctrl-C, or worse: git and its helper for HTTP are gone at once."""
    os.killpg(push.pid, signal.SIGKILL)
    push.communicate()


def _assert_sound(world: World, app: Path, name: str) -> None:
    """Rows are final, the app serves its current release, a new push works, nothing is left."""
    world.wait_healthy()
    wait_settled(world)
    (commit,) = rows(
        world,
        'SELECT b."commit" FROM releases_release r JOIN builds_build b ON b.id = r.build_id '
        "WHERE r.current",
    )
    world.wait_for(_version(world.git("show", f"{commit[0]}:app.py", cwd=app).stdout), app="victim")
    world.git("commit", "-q", "--allow-empty", "-m", f"after {name}", cwd=app)
    pushed = world.git("push", "paas", "main", cwd=app, check=False)
    assert "Verifying deploy... done." in pushed.stderr, pushed.stderr
    world.wait_for(_version((app / "app.py").read_text()), app="victim")
    assert_nothing_left(world)


def _version(source: str) -> str:
    (line,) = [line for line in source.splitlines() if line.startswith("VERSION = ")]
    return line.split('"')[1]


GATEWAY_STEPS = [
    "gateway.after_access",
    "gateway.after_create",
    "gateway.after_archive",
    "gateway.after_start",
    "gateway.before_exit",
]


@pytest.mark.parametrize("point", GATEWAY_STEPS)
def test_the_gateway_dies(broken, faults, point):
    app = _change(broken, f"gateway-{point}")
    faults.order(point, "kill")
    push = _push(broken, app)
    faults.wait_hit(point)
    output, _ = push.communicate(timeout=90)
    faults.clear()
    assert "Traceback" not in output
    _assert_sound(broken, app, f"gateway-{point}")


@pytest.mark.parametrize(
    "point", ["config.created", "release.phase", "release.ready", "release.committed"]
)
def test_the_worker_dies_during_a_config_change(broken, faults, point):
    app = broken.folder / "app"
    by_web = point == "config.created"  # this one is passed by the panel's web process
    faults.order(point, "kill")
    broken.paas("config:set", f"GREETING={point}", cwd=app, check=False)
    faults.wait_hit(point)
    faults.clear()
    broken.wait_healthy()
    wait_settled(broken)
    ((state, current),) = rows(
        broken, "SELECT state, current FROM releases_release ORDER BY version DESC LIMIT 1"
    )
    if current:
        broken.wait_for(point, app="victim")
    else:
        assert state == "failed" and not by_web
        assert point not in broken.get(app="victim").body
    _assert_sound(broken, app, f"config-{point}")


@pytest.mark.parametrize("point", ["build.unpacked", "release.starting"])
def test_a_full_disk_is_told(broken, faults, point):
    app = _change(broken, f"full-{point}")
    faults.order(point, "full")
    output, _ = _push(broken, app).communicate(timeout=90)
    faults.clear()
    assert "No space left on device" in output
    assert "Push rejected" in output
    _assert_sound(broken, app, f"full-{point}")


def test_the_client_goes_and_the_deploy_succeeds(broken, faults):
    """The next push is git's own Everything up-to-date."""
    app = _change(broken, "gone-but-live")
    faults.order("release.starting", "pause")
    push = _push(broken, app)
    hit = faults.wait_hit("release.starting")
    _cut(push)
    hit.unlink()
    broken.wait_for("gone-but-live", app="victim")
    wait_settled(broken)
    time.sleep(1)  # the ref moves when the hook has ended
    again = broken.git("push", "paas", "main", cwd=app)
    assert "Everything up-to-date" in again.stderr
    faults.clear()


def test_the_client_goes_and_the_deploy_fails(broken, faults):
    """The next push begins with what became of the last."""
    app = broken.folder / "app"
    good = (app / "Procfile").read_text()
    (app / "Procfile").write_text("web: false\n")
    broken.commit(app, "bad")
    faults.order("release.starting", "pause")
    push = _push(broken, app)
    hit = faults.wait_hit("release.starting")
    _cut(push)
    hit.unlink()
    wait_settled(broken)
    (app / "Procfile").write_text(good)
    broken.set_version(app, "mended")
    again = broken.git("push", "paas", "main", cwd=app)
    lines = [line for line in again.stderr.splitlines() if line.startswith("remote:")]
    assert "after you had left" in lines[0]
    assert "web.1" in "".join(lines[:4])
    listed = broken.paas("builds", cwd=app).stdout
    assert "failed" in listed and "succeeded" in listed
    broken.wait_for("mended", app="victim")


def test_a_second_push_is_refused_and_the_first_can_be_cancelled(broken, faults):
    app = _change(broken, "cancelled")
    faults.order("build.unpacked", "pause")
    push = _push(broken, app)
    hit = faults.wait_hit("build.unpacked")
    second = broken.git("push", "paas", "main", cwd=app, check=False)
    assert second.returncode != 0 and "builds:cancel" in second.stderr
    broken.paas("builds:cancel", cwd=app)
    hit.unlink()
    output, _ = push.communicate(timeout=60)
    assert "ancelled" in output and push.returncode != 0
    _assert_sound(broken, app, "cancelled")


@pytest.mark.parametrize("point", ARROWS)
def test_the_worker_dies(broken, faults, point):
    app = _change(broken, f"worker-{point}")
    faults.order(point, "kill")
    push = _push(broken, app)
    faults.wait_hit(point)
    output, _ = push.communicate(timeout=90)
    faults.clear()
    assert "Traceback" not in output
    _assert_sound(broken, app, f"worker-{point}")


@pytest.mark.parametrize("point", MOMENTS)
@pytest.mark.parametrize("part", OTHERS)
def test_another_part_dies(broken, faults, part, point):
    name = f"{part}-{point}"
    app = _change(broken, name)
    faults.order(point, "pause")
    push = _push(broken, app)
    hit = faults.wait_hit(point)
    kill(broken, part)
    hit.unlink(missing_ok=True)
    output, _ = push.communicate(timeout=90)
    faults.clear()
    assert "Traceback" not in output
    _assert_sound(broken, app, name)
    assert find(broken, part), f"{part} is back"
