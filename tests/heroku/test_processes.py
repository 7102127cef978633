"""Processes, maintenance and one-offs by Heroku's CLI."""

from __future__ import annotations

import time

import pytest

from tests.heroku.compatibility import command
from tests.heroku.waiting import until


@pytest.fixture
def dynos(world, live):
    """The app's processes as the API has them."""
    return lambda: world.api("GET", f"/apps/{live}/dynos")[1]


@command("ps")
def test_ps(heroku, live, dynos):
    """Lists the processes with type, size, command and state."""
    until(lambda: [dyno["state"] for dyno in dynos()] == ["up"])
    shown = heroku("ps", "-a", live).stdout
    assert "=== web (standard): python3 hello.py (1)" in shown
    assert "web.1: up 20" in shown
    assert heroku("ps", "-a", live, "--json").json()[0]["id"] == dynos()[0]["id"]


@command("ps:scale")
def test_scale(heroku, live, dynos, world):
    """Scales, says what runs now; without arguments prints it as input for the next time."""
    scaled = heroku("ps:scale", "web=2", "-a", live)
    assert "Scaling dynos... done, now running web at 2:standard" in scaled.stderr
    assert heroku("ps:scale", "-a", live).stdout == "web=2:standard\n"
    until(lambda: [dyno["state"] for dyno in dynos()] == ["up", "up"])
    heroku("ps:scale", "web-1", "-a", live)
    until(lambda: [dyno["name"] for dyno in dynos()] == ["web.1"])


@command("ps:scale")
def test_scale_an_unknown_type(heroku, live, world):
    """A type that the Procfile does not have is refused with those it has."""
    refused = heroku("ps:scale", "nothing=1", "-a", live, code=2)
    assert "Couldn't find that process type (nothing)" in refused.stderr
    assert [one["type"] for one in world.api("GET", f"/apps/{live}/formation")[1]] == ["web"]


@command("ps:restart")
@pytest.mark.parametrize("which", [(), ("--dyno-name", "web.1"), ("--process-type", "web")])
def test_restart(heroku, live, dynos, world, which):
    """All, one by name or those of a type are fresh processes afterwards."""
    until(lambda: [dyno["state"] for dyno in dynos()] == ["up"])
    before = dynos()[0]["id"]
    assert f"on {live}... done" in heroku("ps:restart", "-a", live, *which).stderr
    until(lambda: [d["state"] for d in dynos() if d["id"] != before] == ["up"])
    assert world.get(app=live).status == 200


@command("ps:stop")
@pytest.mark.parametrize("which", [("--dyno-name", "web.1"), ("--process-type", "web")])
def test_stop(heroku, live, dynos, which):
    """A process of the formation ends and a fresh one takes its place, as on Heroku."""
    until(lambda: [dyno["state"] for dyno in dynos()] == ["up"])
    before = dynos()[0]["id"]
    assert f"on {live}... done" in heroku("ps:stop", "-a", live, *which).stderr
    until(lambda: [d["state"] for d in dynos() if d["id"] != before] == ["up"])


@command("ps:stop")
def test_stop_nothing(heroku, live):
    """A process that is not there is `not_found`."""
    refused = heroku("ps:stop", "--dyno-name", "web.9", "-a", live, code=2)
    assert "Couldn't find that process (web.9)" in refused.stderr


@command("maintenance")
def test_maintenance(heroku, live, world):
    """Prints on or off."""
    world.api("PATCH", f"/apps/{live}", {"maintenance": True})
    assert heroku("maintenance", "-a", live).stdout == "on\n"
    world.api("PATCH", f"/apps/{live}", {"maintenance": False})
    assert heroku("maintenance", "-a", live).stdout == "off\n"


@command("maintenance:on")
def test_maintenance_on(heroku, live, world):
    """The front door answers 503 at once."""
    said = heroku("maintenance:on", "-a", live).stderr
    assert f"Enabling maintenance mode for {live}... done" in said
    assert world.get(app=live).status == 503
    assert world.api("GET", f"/apps/{live}")[1]["maintenance"] is True


@command("maintenance:off")
def test_maintenance_off(heroku, live, world):
    """The app answers again at once."""
    world.api("PATCH", f"/apps/{live}", {"maintenance": True})
    said = heroku("maintenance:off", "-a", live).stderr
    assert f"Disabling maintenance mode for {live}... done" in said
    assert world.get(app=live).status == 200


@command("run:detached")
def test_run_detached(heroku, live, world):
    """Names the process and how to see its output; the command runs with the app's config."""
    world.api("PATCH", f"/apps/{live}/config-vars", {"MARK": "seen-in-run"})
    said = heroku("run:detached", "-a", live, "--", "echo detached $MARK")
    assert f"Run heroku logs --app {live} --dyno run." in said.stdout
    until(lambda: "detached seen-in-run" in heroku("logs", "-a", live).stdout)


@command("run")
def test_run(heroku, live):
    """Prints what the command prints, and with --exit-code ends as it ends."""
    done = heroku("run", "--exit-code", "-a", live, "--", "echo attached; exit 7", code=7)
    assert "attached" in done.stdout


@command("logs")
def test_logs(heroku, live, world):
    """Prints the newest lines of all sources, or of one."""
    world.get(app=live)
    until(lambda: "heroku" in (text := heroku("logs", "-a", live).stdout) or "paas[router]" in text)
    lines = heroku("logs", "-a", live, "--source", "app").stdout.splitlines()
    assert lines and all(" app[" in line for line in lines)
    assert len(heroku("logs", "-a", live, "--num", "2").stdout.splitlines()) <= 2


@command("logs --tail")
def test_tail(heroku, live, world):
    """Goes on with what is logged while it runs."""
    tail = heroku.popen("logs", "--tail", "-a", live, "--process-type", "router")
    try:
        seen = []
        deadline = time.monotonic() + 60
        assert tail.stdout is not None
        world.get("/tailed-before", app=live)
        for line in tail.stdout:
            seen.append(line)
            if "/tailed-" in line:
                break
            assert time.monotonic() < deadline, seen
        world.get("/tailed-after", app=live)
        for line in tail.stdout:
            seen.append(line)
            if "/tailed-after" in line:
                break
            assert time.monotonic() < deadline, seen
    finally:
        tail.terminate()
        tail.wait(timeout=20)
