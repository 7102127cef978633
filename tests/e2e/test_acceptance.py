"""The acceptance script of the README, line by line, as a new user would type it."""

from __future__ import annotations

import json
import stat

import pytest

_OPTIONS = {"http": (), "ssh": ("--ssh-git",)}


@pytest.mark.by_nix
@pytest.mark.parametrize("transport", ["http", "ssh"])
def test_the_script(world, keyring, transport):
    app = world.repository("flask", f"my-flask-app-{transport}")

    created = world.paas("create", "hello", *_OPTIONS[transport], cwd=app)
    assert "hello" in created.stdout
    remotes = world.git("remote", "-v", cwd=app).stdout
    address = (
        f"localhost:{world.port}" if transport == "http" else f"git@localhost:{world.ssh_port}"
    )
    assert f"{transport}://{address}/hello.git" in remotes
    credentials = world.home / "credentials.json"
    assert stat.S_IMODE(credentials.stat().st_mode) == 0o600
    token = json.loads(credentials.read_text())["token"]
    assert token not in (app / ".git" / "config").read_text()

    pushed = world.git("push", "paas", "main", cwd=app).stderr
    assert "Python app detected" in pushed
    assert "Released v1" in pushed
    assert f"http://hello.localhost:{world.port}/" in pushed
    assert "Verifying deploy... done." in pushed
    assert world.get(app="hello").status == 200

    answer = world.paas("config:set", "GREETING=hi", cwd=app)
    assert "done, v2" in answer.stderr and answer.stdout == "GREETING: hi\n"
    assert "hi" in world.get(app="hello").body, "live when the command returns"

    assert "web.1" in world.paas("ps", cwd=app).stdout
    scaled = world.paas("ps:scale", "web=2", "worker=1", cwd=app).stderr
    assert "web at 2" in scaled and "worker at 1" in scaled
    shown = world.paas("ps", cwd=app).stdout
    assert "web.2" in shown and "worker.1" in shown

    releases = world.paas("releases", cwd=app).stdout
    assert "v1" in releases and "v2" in releases

    back = world.paas("rollback", "v1", cwd=app)
    assert "done, v3" in back.stderr
    assert "hi" not in world.get(app="hello").body, "old code and old config"

    logs = world.paas("logs", "-n", "200", cwd=app).stdout
    assert "app[web.1]:" in logs
    assert "paas[api]: Release v1 created" in logs

    world.paas("apps:destroy", "--confirm", "hello", cwd=app)
    world.wait_for("There is no app here", app="hello")
