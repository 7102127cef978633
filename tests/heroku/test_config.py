"""Config vars by Heroku's CLI."""

from __future__ import annotations

import pytest

from tests.heroku.compatibility import command


@pytest.fixture
def config(world, live):
    """The config vars as the API has them."""
    return lambda: world.api("GET", f"/apps/{live}/config-vars")[1]


@command("config:set")
def test_set(heroku, live, config, world):
    """Sets several in one release, names it, and the app answers with them."""
    before = len(world.api("GET", f"/apps/{live}/releases")[1])
    done = heroku("config:set", "GREETING=hi there", "DEBUG=0", "-a", live)
    releases = world.api("GET", f"/apps/{live}/releases")[1]
    assert len(releases) == before + 1
    assert f"restarting {live}... done, v{releases[0]['version']}" in done.stderr
    assert "GREETING: hi there" in done.stdout and "DEBUG:    0" in done.stdout
    assert config() == {"GREETING": "hi there", "DEBUG": "0"}
    world.wait_for("hi there", app=live)


@command("config")
def test_show(heroku, live, world):
    """Prints all; with --json and --shell in those forms."""
    world.api("PATCH", f"/apps/{live}/config-vars", {"SHOWN": "a b"})
    assert f"=== {live} Config Vars" in heroku("config", "-a", live).stdout
    assert heroku("config", "-a", live, "--json").json()["SHOWN"] == "a b"
    assert "SHOWN='a b'" in heroku("config", "-a", live, "--shell").stdout.splitlines()


@command("config:get")
def test_get(heroku, live, world):
    """Prints one value; an unset one is an empty line."""
    world.api("PATCH", f"/apps/{live}/config-vars", {"ONE": "just this"})
    assert heroku("config:get", "ONE", "-a", live).stdout == "just this\n"
    assert heroku("config:get", "NONE", "-a", live).stdout == "\n"


@command("config:unset")
def test_unset(heroku, live, config, world):
    """Removes one, as one release."""
    world.api("PATCH", f"/apps/{live}/config-vars", {"GONE": "soon", "KEPT": "yes"})
    done = heroku("config:unset", "GONE", "-a", live)
    latest = world.api("GET", f"/apps/{live}/releases/latest")[1]
    assert f"done, v{latest['version']}" in done.stderr
    assert latest["description"] == "Remove GONE config vars"
    assert "GONE" not in config() and config()["KEPT"] == "yes"


@command("config:set")
def test_a_bad_name(heroku, live, config):
    """A name no environment can have is refused; nothing is set."""
    before = config()
    refused = heroku("config:set", "1X=2", "-a", live, code=2)
    assert "is no name for a config var" in refused.stderr
    assert config() == before
