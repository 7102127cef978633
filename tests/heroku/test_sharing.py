"""Domains and access by Heroku's CLI."""

from __future__ import annotations

import pytest

from tests.heroku.compatibility import command


@pytest.fixture(scope="module")
def shared(world):
    """An app nobody has pushed to."""
    world.api("POST", "/apps", {"name": "hk-shared"})
    return "hk-shared"


def _domains(world, app):
    return [one["hostname"] for one in world.api("GET", f"/apps/{app}/domains")[1]]


@command("domains")
def test_domains(heroku, shared, world):
    """Lists the app's own address and its custom domains with their DNS target."""
    world.api("POST", f"/apps/{shared}/domains", {"hostname": "listed.example.org"})
    shown = heroku("domains", "-a", shared).stdout
    assert f"=== {shared} Heroku Domain\n\n{shared}.localhost" in shown
    assert f"=== {shared} Custom Domains" in shown and "listed.example.org" in shown


@command("domains:add")
def test_domains_add(heroku, shared, world):
    """Adds a domain and says where its DNS must point."""
    said = heroku("domains:add", "added.example.org", "-a", shared)
    assert "DNS Target" in said.stdout
    assert f"Adding added.example.org to {shared}... done" in said.stderr
    assert "added.example.org" in _domains(world, shared)


@command("domains:remove")
def test_domains_remove(heroku, shared, world):
    """Removes one."""
    world.api("POST", f"/apps/{shared}/domains", {"hostname": "gone.example.org"})
    said = heroku("domains:remove", "gone.example.org", "-a", shared).stderr
    assert f"Removing gone.example.org from {shared}... done" in said
    assert "gone.example.org" not in _domains(world, shared)


@pytest.fixture(scope="module")
def friend(world):
    """The address of a user."""
    world.api("POST", "/users", {"email": "friend@example.org"})
    return "friend@example.org"


def _collaborators(world, app):
    return [one["user"]["email"] for one in world.api("GET", f"/apps/{app}/collaborators")[1]]


@command("access")
def test_access(heroku, shared):
    """Lists the owner and the collaborators with their roles."""
    shown = heroku("access", "-a", shared).stdout
    assert "admin@localhost" in shown and "owner" in shown


@command("access:add")
def test_access_add(heroku, shared, friend, world):
    """Gives a user access to the app."""
    said = heroku("access:add", friend, "-a", shared).stderr
    assert f"Adding {friend} access to the app {shared}... done" in said
    assert friend in _collaborators(world, shared)


@command("access:add")
def test_access_add_somebody_without_an_account(heroku, shared, world):
    """Invites an address that has no account."""
    heroku("access:add", "new@example.org", "-a", shared)
    assert "new@example.org" not in _collaborators(world, shared)
    invited = world.api("GET", "/invitations")[1]
    assert [one["email"] for one in invited] == ["new@example.org"]


@command("access:remove")
def test_access_remove(heroku, shared, friend, world):
    """Takes it away again."""
    world.api("POST", f"/apps/{shared}/collaborators", {"user": friend})
    said = heroku("access:remove", friend, "-a", shared).stderr
    assert f"Removing {friend} access from the app {shared}... done" in said
    assert friend not in _collaborators(world, shared)
