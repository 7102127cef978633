"""What Heroku has and paas does not: friendly answers, by Heroku's CLI."""

from __future__ import annotations

import pytest

from tests.heroku.compatibility import command


@pytest.fixture(scope="module")
def plain(world):
    """An app nobody has pushed to."""
    world.api("POST", "/apps", {"name": "hk-plain"})
    return "hk-plain"


@command("addons")
def test_addons(heroku, plain):
    """There are none, of the app or at all; creating one is refused with what to do instead."""
    assert heroku("addons", "-a", plain).stdout == f"No add-ons for app {plain}.\n"
    assert heroku("addons", "--all").stdout == "No add-ons.\n"
    refused = heroku("addons:create", "heroku-postgresql", "-a", plain, code=2)
    assert "paas config:set DATABASE_URL=..." in " ".join(refused.stderr.split())


@command("pipelines")
def test_pipelines(heroku):
    """There are none."""
    assert heroku("pipelines").stdout.strip() == "=== My Pipelines"


@command("drains")
def test_drains(heroku, plain):
    """There are none; adding one is refused with what to do instead."""
    assert heroku("drains", "-a", plain, "--json").json() == []
    refused = heroku("drains:add", "syslog://logs.example.org:514", "-a", plain, code=2)
    assert "paas logs --tail" in " ".join(refused.stderr.split())


@command("webhooks")
def test_webhooks(heroku, plain):
    """There are none."""
    assert f"{plain} has no webhooks" in heroku("webhooks", "-a", plain).stdout


@command("certs")
def test_certs(heroku, plain):
    """Lists those that were uploaded: none."""
    assert f"{plain} has no SSL certificates." in heroku("certs", "-a", plain).stdout


@command("buildpacks")
def test_buildpacks(heroku, plain):
    """There are none; setting one is refused with what to do instead."""
    assert heroku("buildpacks", "-a", plain).stdout == f"{plain} has no Buildpacks.\n"
    refused = heroku("buildpacks:set", "https://example.org/x.git", "-a", plain, code=2)
    assert "nixpacks.toml" in " ".join(refused.stderr.split())


@command("labs")
def test_labs(heroku, plain):
    """There are no experiments for the user or the app."""
    assert heroku("labs", "-a", plain, "--json").json() == {"app": [], "user": []}


@command("features")
def test_features(heroku, plain):
    """There are none to switch."""
    assert heroku("features", "-a", plain, "--json").json() == []


@command("teams")
def test_teams(heroku):
    """There are none."""
    assert heroku("teams", "--json").json() == []
