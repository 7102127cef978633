"""Breaking an instance on purpose, and what must hold afterwards."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

from tests.e2e.parts import assert_nothing_left, rows, wait_settled
from tests.e2e.world import World


def change(world: World, body: str) -> Path:
    """A commit that changes what the app says."""
    app = world.folder / "app"
    world.set_version(app, body)
    return app


def version(source: str) -> str:
    (line,) = [line for line in source.splitlines() if line.startswith("VERSION = ")]
    return line.split('"')[1]


def push_in_background(world: World, app: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        ["git", "push", "paas", "main"],
        cwd=app,
        env=world.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def cut(push: subprocess.Popen[str]) -> None:
    """The user's Ctrl-C, or worse: git and its helper for HTTP are gone at once."""
    os.killpg(push.pid, signal.SIGKILL)
    push.communicate()


def assert_sound(world: World, app: Path, name: str) -> None:
    """Rows are final, the app serves its current release, a new push works, nothing is left."""
    world.wait_healthy()
    wait_settled(world)
    (commit,) = rows(
        world,
        'SELECT b."commit" FROM releases_release r JOIN builds_build b ON b.id = r.build_id '
        "WHERE r.current",
    )
    world.wait_for(version(world.git("show", f"{commit[0]}:app.py", cwd=app).stdout), app="victim")
    world.git("commit", "-q", "--allow-empty", "-m", f"after {name}", cwd=app)
    pushed = world.git("push", "paas", "main", cwd=app, check=False)
    assert "Verifying deploy... done." in pushed.stderr, pushed.stderr
    world.wait_for(version((app / "app.py").read_text()), app="victim")
    assert_nothing_left(world)
