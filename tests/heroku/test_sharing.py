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


def _collaborators(world, app):
    return [one["user"]["email"] for one in world.api("GET", f"/apps/{app}/collaborators")[1]]


@command("access")
def test_access(heroku, shared):
    """Lists the owner and the collaborators with their roles."""
    shown = heroku("access", "-a", shared).stdout
    assert "admin@localhost" in shown and "owner" in shown


@command("access:add")
def test_access_add(heroku, shared, world):
    """Gives a user access to the app."""
    said = heroku("access:add", "friend@example.org", "-a", shared).stderr
    assert f"Adding friend@example.org access to the app {shared}... done" in said
    assert "friend@example.org" in _collaborators(world, shared)


@command("access:remove")
def test_access_remove(heroku, shared, world):
    """Takes it away again."""
    world.api("POST", f"/apps/{shared}/collaborators", {"user": "friend@example.org"})
    said = heroku("access:remove", "friend@example.org", "-a", shared).stderr
    assert f"Removing friend@example.org access from the app {shared}... done" in said
    assert "friend@example.org" not in _collaborators(world, shared)
