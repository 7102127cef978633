"""Many at once: every push ends well, and config changes are not starved by them."""

from __future__ import annotations

import subprocess


def test_twelve_pushes_at_once(world):
    apps = []
    for number in range(12):
        app = world.repository("procfile", f"many-{number}")
        world.paas("create", f"many-{number}", cwd=app)
        apps.append(app)
    pushes = [
        subprocess.Popen(
            ["git", "push", "paas", "main"],
            cwd=app,
            env=world.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for app in apps
    ]
    changed = world.paas("config:set", "A=1", cwd=apps[0], check=False)
    for number, push in enumerate(pushes):
        said, _ = push.communicate(timeout=170)
        assert push.returncode == 0, said
        assert world.get(app=f"many-{number}").status == 200
    assert "Traceback" not in changed.stderr
    for number in range(12):
        world.paas("apps:destroy", "--confirm", f"many-{number}", "-a", f"many-{number}")


def test_many_config_changes_at_once_lose_nothing(world):
    app = world.repository("procfile", "crowd")
    world.paas("create", "crowd", cwd=app)
    writers = [
        subprocess.Popen(
            ["paas", "config:set", f"V{number}={number}"],
            cwd=app,
            env=world.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(8)
    ]
    for writer in writers:
        _, said = writer.communicate(timeout=120)
        assert writer.returncode == 0, said
    shown = world.paas("config", cwd=app).stdout
    assert all(f"V{number}" in shown for number in range(8))
