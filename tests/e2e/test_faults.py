"""Killing parts at every arrow of a deploy: nothing is lost, nothing is left over."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.parts import Faults, find, kill, rows, wait_settled
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
    )


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
    assert not list((world.home / "builds").glob("*")), "work folders are left"
    assert not list((world.home / "sources").glob("*")), "archives are left"


def _version(source: str) -> str:
    (line,) = [line for line in source.splitlines() if line.startswith("VERSION = ")]
    return line.split('"')[1]


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
