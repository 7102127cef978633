"""Releases by Heroku's CLI, and the app's name."""

from __future__ import annotations

import pytest

from tests.heroku.compatibility import command
from tests.heroku.waiting import until


@pytest.fixture
def latest(world, live):
    """The newest release as the API has it."""
    return lambda: world.api("GET", f"/apps/{live}/releases/latest")[1]


@pytest.fixture
def change(world, live, latest):
    """Sets the greeting and waits until it is live; the number of that release."""

    def make(greeting: str) -> int:
        world.api("PATCH", f"/apps/{live}/config-vars", {"GREETING": greeting})
        world.wait_for(greeting, app=live)
        until(lambda: latest()["status"] == "succeeded")
        return latest()["version"]

    return make


@command("releases")
def test_releases(heroku, live, change):
    """Lists the newest first, with who made them and which is current."""
    version = change("listed")
    shown = heroku("releases", "-a", live).stdout
    assert f"=== {live} Releases - Current: v{version}" in shown
    assert "Set GREETING config vars" in shown and "admin@localhost" in shown
    one = heroku("releases", "-a", live, "-n", "1", "--json").json()
    assert [release["version"] for release in one] == [version]


@command("releases:info")
def test_info(heroku, live, change):
    """Shows one release with its config vars; without a number the newest."""
    version = change("informed")
    for arguments in ((), (f"v{version}",)):
        shown = heroku("releases:info", *arguments, "-a", live).stdout
        assert f"=== Release v{version}" in shown
        assert "Set GREETING config vars" in shown
        assert f"=== v{version} Config vars" in shown and "informed" in shown


@command("releases:info")
def test_info_of_nothing(heroku, live):
    """A release that is not there is `not_found`."""
    refused = heroku("releases:info", "v999", "-a", live, code=2)
    assert "Couldn't find that release." in refused.stderr


@command("releases:rollback")
def test_rollback(heroku, live, change, world, latest):
    """Brings back code and config of that release as a new one, and says how to undo it."""
    good, bad = change("good"), change("bad")
    done = heroku("releases:rollback", f"v{good}", "-a", live)
    assert f"Rolling back {live} to v{good}... done, v{bad + 1}" in done.stderr
    assert f"heroku rollback v{bad}" in " ".join(done.stderr.split())
    assert latest()["description"] == f"Rollback to v{good}"
    world.wait_for("good", app=live)


@command("releases:rollback")
def test_rollback_by_one(heroku, live, change, world):
    """Without a number it goes to the one before."""
    change("before")
    change("after")
    heroku("releases:rollback", "-a", live)
    world.wait_for("before", app=live)


@command("releases:output")
def test_output(heroku, live, change):
    """Prints what was said while it was rolled out."""
    version = change("output")
    assert "web.1" in heroku("releases:output", f"v{version}", "-a", live).stdout


@command("apps:rename")
def test_rename(heroku, world):
    """The app answers at its new name at once, the remote follows, the old name is free."""
    folder = world.repository("procfile", "hk-renamed-repo")
    world.paas("create", "hk-old-name", cwd=folder)
    world.git("push", "paas", "main", cwd=folder)
    heroku("git:remote", "-a", "hk-old-name", cwd=folder)
    said = heroku("apps:rename", "hk-new-name", "-a", "hk-old-name", cwd=folder)
    assert f"http://hk-new-name.localhost:{world.port}/ | " in said.stdout
    assert "Git remote heroku updated" in said.stdout
    assert "/hk-new-name.git" in world.git("remote", "get-url", "heroku", cwd=folder).stdout
    assert world.get(app="hk-new-name").status == 200
    assert world.get(app="hk-old-name").status == 404
    assert world.api("GET", "/apps/hk-old-name")[0] == 404
    assert world.api("POST", "/apps", {"name": "hk-old-name"})[0] == 201
    world.git("fetch", f"{world.origin}/hk-new-name.git", cwd=folder)


@command("apps:rename")
def test_rename_to_a_taken_name(heroku, live, world):
    """A taken name is refused and nothing changes."""
    world.api("POST", "/apps", {"name": "hk-occupied"})
    refused = heroku("apps:rename", "hk-occupied", "-a", live, code=2)
    assert "Name hk-occupied is already taken" in refused.stderr
    assert world.api("GET", f"/apps/{live}")[0] == 200
