"""What a user does with an app that is live."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path

import pytest

from tests.e2e.ssh import Keyring
from tests.e2e.world import World

NAME = "in-use"


@pytest.fixture(scope="module")
def app(world: World, keyring: Keyring) -> Path:
    folder = world.repository("procfile", NAME)
    world.paas("create", NAME, cwd=folder)
    address = f"ssh://git@localhost:{world.ssh_port}/{NAME}.git"
    world.git("remote", "add", "by-ssh", address, cwd=folder)
    world.git("push", "paas", "main", cwd=folder)
    return folder


def _until(condition, seconds: float = 20):
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.1)
    return found


def test_maintenance(world, app):
    world.paas("maintenance:on", cwd=app)
    _until(lambda: world.get(app=NAME).status == 503)
    assert world.paas("maintenance", cwd=app).stdout.strip() == "on"
    dynos = json.loads(world.paas("ps", "--json", cwd=app).stdout)
    assert [dyno["state"] for dyno in dynos] == ["up"], "the processes go on"
    world.paas("maintenance:off", cwd=app)
    _until(lambda: world.get(app=NAME).status == 200)


def test_without_web_there_is_a_reason(world, app):
    world.paas("ps:scale", "web=0", cwd=app)
    _until(lambda: world.get(app=NAME).status == 503)
    assert "ps:scale web=1" in world.get(app=NAME).body
    world.paas("ps:scale", "web=1", cwd=app)
    _until(lambda: world.get(app=NAME).status == 200)


def test_an_unknown_host_is_a_friendly_404(world, app):
    answer = world.get(app="nobody-here")
    assert answer.status == 404 and "no app" in answer.body.lower()
    page = world.get(app="nobody-here", headers={"Accept": "text/html"})
    assert page.status == 404 and "<html" in page.body


def test_more_web_than_one_machine_balances_is_refused(world, app):
    done = world.paas("ps:scale", "web=13", cwd=app, check=False)
    assert done.returncode == 1 and "12" in done.stderr


def test_restart_makes_fresh_processes(world, app):
    before = json.loads(world.paas("ps", "--json", cwd=app).stdout)[0]["created_at"]
    world.paas("ps:restart", "web.1", cwd=app)

    def restarted() -> bool:
        dynos = json.loads(world.paas("ps", "--json", cwd=app).stdout)
        return len(dynos) == 1 and dynos[0]["created_at"] > before and dynos[0]["state"] == "up"

    _until(restarted)
    assert world.get(app=NAME).status == 200


def test_a_one_off_runs_with_the_config(world, app):
    world.paas("config:set", "MARK=visible-in-run", cwd=app)
    world.paas("run:detached", "--", 'echo "one-off says $MARK on $DYNO"; exit 3', cwd=app)
    _until(lambda: "one-off says visible-in-run on run." in _logs(world, app))


def test_logs_can_be_filtered_and_followed(world, app):
    tail = subprocess.Popen(
        ["paas", "logs", "--tail", "-n", "1", "--source", "app"],
        cwd=app,
        env=world.environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        time.sleep(1)
        world.paas("run:detached", "--", "echo followed-line", cwd=app)
        assert tail.stdout is not None
        for line in tail.stdout:
            assert " app[" in line
            if "followed-line" in line:
                break
    finally:
        tail.terminate()
        tail.wait()
    routed = world.paas("logs", "--ps", "router", "--source", "paas", cwd=app).stdout
    assert routed and all("paas[router]:" in line for line in routed.splitlines())
    assert 'method=GET path="/"' in routed and "status=200" in routed


@pytest.mark.parametrize("remote", ["paas", "by-ssh"])
def test_another_branch_is_stored_not_deployed(world, app, remote):
    version, branch = world.get(app=NAME).body, f"feature-{remote}"
    world.git("checkout", "-q", "-b", branch, cwd=app)
    world.set_version(app, branch)
    pushed = world.git("push", remote, branch, cwd=app).stderr
    assert f"git push paas {branch}:main" in pushed
    assert world.get(app=NAME).body == version
    world.git("checkout", "-q", "main", cwd=app)
    gone = world.git("push", remote, ":main", cwd=app, check=False)
    assert gone.returncode != 0, "the deploy branch is not deleted"


@pytest.mark.parametrize("remote", ["paas", "by-ssh"])
def test_what_is_live_is_not_deployed_twice(world, app, remote):
    world.git("push", remote, "main", cwd=app)
    pushed = world.git("push", remote, "main", cwd=app).stderr
    assert "Everything up-to-date" in pushed


def test_a_rollback_without_argument_goes_to_the_one_before(world, app):
    world.paas("config:set", "GREETING=first", cwd=app)
    world.paas("config:set", "GREETING=second", cwd=app)
    assert "second" in world.get(app=NAME).body
    world.paas("rollback", cwd=app)
    assert "first" in world.get(app=NAME).body


def test_a_build_can_be_looked_at(world, app):
    build = json.loads(world.paas("builds:info", "--json", cwd=app).stdout)
    assert build["plan"]["processes"]["web"]
    assert build["artifact"]["digest"].startswith(("sha256:", "nix:"))
    assert "/" not in build["artifact"]["digest"]
    assert build["phases"]


def test_the_token_of_this_machine(world, app):
    token = world.paas("auth:token").stdout.strip()
    assert token == json.loads((world.home / "credentials.json").read_text())["token"]
    assert "admin@localhost" in world.paas("auth:whoami").stdout


def test_the_internal_interface_is_not_reachable(world, app):
    token = (world.home / "keys" / "internal_token").read_text().strip()
    for path in ("/internal/git/access", "//internal/git/access", "/%69nternal/git/access"):
        answer = world.get(path, method="POST", headers={"Authorization": f"Bearer {token}"})
        assert answer.status == 404, path


def _logs(world: World, app: Path) -> str:
    return world.paas("logs", "-n", "200", cwd=app).stdout
