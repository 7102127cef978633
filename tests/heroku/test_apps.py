"""Apps by Heroku's CLI."""

from __future__ import annotations

import subprocess

from tests.heroku.compatibility import command


@command("auth:whoami")
def test_whoami(heroku):
    """Prints the e-mail address of the token's owner."""
    assert heroku("auth:whoami").stdout == "admin@localhost\n"


@command("apps:create")
def test_create(heroku, world):
    """Prints the app's addresses; the app is there and belongs to the caller."""
    created = heroku("apps:create", "hk-made")
    assert f"http://hk-made.localhost:{world.port}/ | " in created.stdout
    assert "Creating hk-made... done" in created.stderr
    status, app = world.api("GET", "/apps/hk-made")
    assert status == 200 and app["owner"]["email"] == "admin@localhost"


@command("apps:create")
def test_create_without_a_name(heroku, world):
    """Without a name the app gets one made up."""
    made = heroku("apps:create", "--json").json()
    assert world.api("GET", f"/apps/{made['name']}")[1]["id"] == made["id"]


@command("apps:create")
def test_create_a_taken_name(heroku, world):
    """A taken name is refused with the reason; nothing is made."""
    world.api("POST", "/apps", {"name": "hk-taken"})
    before = world.api("GET", "/apps")[1]
    refused = heroku("apps:create", "hk-taken", code=2)
    assert "Name hk-taken is already taken" in refused.stderr
    assert "Error ID: invalid_params" in refused.stderr
    assert world.api("GET", "/apps")[1] == before


@command("apps")
def test_apps(heroku, world):
    """Lists the caller's apps by name."""
    world.api("POST", "/apps", {"name": "hk-listed"})
    listed = heroku("apps").stdout
    assert "=== admin@localhost Apps" in listed and "\nhk-listed" in listed


@command("apps --all")
def test_all_apps(heroku, world):
    """With --all and --json it prints what the API lists."""
    listed = heroku("apps", "--all", "--json").json()
    assert {app["id"] for app in listed} == {app["id"] for app in world.api("GET", "/apps")[1]}


@command("apps:info")
def test_info(heroku, live, world):
    """Prints addresses, owner, dynos and stack of an app."""
    shown = heroku("apps:info", "-a", live).stdout
    assert f"=== {live}" in shown
    assert f"http://{live}.localhost:{world.port}/" in shown
    assert f"http://localhost:{world.port}/{live}.git" in shown
    assert "admin@localhost" in shown and "web: 1" in shown


@command("apps:info")
def test_info_of_nothing(heroku):
    """An unknown app is `not_found` in Heroku's words."""
    refused = heroku("apps:info", "-a", "hk-nobody", code=2)
    assert "Couldn't find that app." in refused.stderr
    assert "Error ID: not_found" in refused.stderr


@command("apps:destroy")
def test_destroy(heroku, world):
    """With --confirm the app is gone; its remote is removed from the repository."""
    folder = world.folder / "destroyed"
    folder.mkdir()
    world.git("init", "-q", cwd=folder)
    heroku("apps:create", "hk-destroyed", cwd=folder)
    assert "hk-destroyed" in world.git("remote", "-v", cwd=folder).stdout
    gone = heroku("apps:destroy", "hk-destroyed", "--confirm", "hk-destroyed", cwd=folder)
    assert "Destroying hk-destroyed (including all add-ons)... done" in gone.stderr
    assert world.api("GET", "/apps/hk-destroyed")[0] == 404
    assert world.git("remote", cwd=folder).stdout == ""


@command("git:remote")
def test_git_remote(heroku, live, world):
    """Adds the remote `heroku` to the repository."""
    folder = world.folder / "remote"
    folder.mkdir()
    world.git("init", "-q", cwd=folder)
    said = heroku("git:remote", "-a", live, cwd=folder).stdout
    url = f"https://localhost:{world.port}/{live}.git"
    assert said == f"set git remote heroku to {url}\n"
    assert world.git("remote", "get-url", "heroku", cwd=folder).stdout.strip() == url


@command("git push heroku")
def test_push(heroku, world):
    """With the two lines of the README, git pushes to the remote that the CLI makes."""
    folder = world.repository("procfile", "hk-pushed")
    heroku("apps:create", "hk-pushed", cwd=folder)
    https, http = f"https://localhost:{world.port}", world.origin
    world.git("config", f"url.{http}/.insteadOf", f"{https}/", cwd=folder)
    helper = '!f() { echo username=paas; echo "password=$HEROKU_API_KEY"; }; f'
    world.git("config", f"credential.{http}.helper", helper, cwd=folder)
    pushed = subprocess.run(
        ["git", "push", "heroku", "main"],
        cwd=folder,
        env=heroku.environment,
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert "Released v1" in pushed.stderr and pushed.returncode == 0, pushed.stderr
    assert world.get(app="hk-pushed").status == 200
