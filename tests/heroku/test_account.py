"""Tokens and SSH keys by Heroku's CLI."""

from __future__ import annotations

import re
import subprocess

import pytest

from tests.heroku.client import Heroku
from tests.heroku.compatibility import command


@pytest.fixture
def made(world):
    """A token that is there already."""
    body = {"description": "made before", "scope": ["read"]}
    return world.api("POST", "/oauth/authorizations", body)[1]


@command("authorizations:create")
def test_create(heroku, world):
    """Prints a token with the scope and life asked for, and that token works."""
    shown = heroku(
        "authorizations:create", "-d", "for ci", "-s", "identity,read", "-e", "3600"
    ).stdout
    assert re.search(r"^Description: +for ci$", shown, re.MULTILINE)
    assert re.search(r"^Scope: +identity,read$", shown, re.MULTILINE)
    assert "in about 1 hour" in shown
    token = re.search(r"^Token: +(\S+)$", shown, re.MULTILINE)[1]
    other = Heroku(world, token, world.folder / "other")
    assert other("apps", "--all", "--json").json() is not None
    refused = other("authorizations", code=2)
    assert "Error ID: forbidden" in refused.stderr


@command("authorizations:create")
def test_create_short(heroku):
    """With --short it prints the token and nothing else."""
    assert re.fullmatch(r"paas_\S+\n", heroku("authorizations:create", "--short").stdout)


@command("authorizations")
def test_list(heroku, made):
    """Lists description, id and scope, never the token."""
    shown = heroku("authorizations").stdout
    assert re.search(rf"made before +{made['id']} +read", shown)
    assert made["access_token"]["token"] not in shown


@command("authorizations:info")
def test_info(heroku, made):
    """Shows one; its token is only hinted at."""
    shown = heroku("authorizations:info", made["id"]).stdout
    assert made["id"] in shown and "made before" in shown
    assert made["access_token"]["token"] not in shown


@command("authorizations:revoke")
def test_revoke(heroku, made, world):
    """The token ends at once."""
    said = heroku("authorizations:revoke", made["id"]).stderr
    assert "done, revoked authorization from made before" in said
    token = {"Authorization": f"Bearer {made['access_token']['token']}"}
    assert world.get("/apps", headers=token).status == 401
    assert world.api("GET", f"/oauth/authorizations/{made['id']}")[0] == 404


@pytest.fixture
def key(world):
    """A new SSH key's public file."""
    folder = world.folder / "ssh"
    folder.mkdir(exist_ok=True)
    path = folder / "id_ed25519"
    if not path.exists():
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "me@laptop", "-f", str(path)],
            check=True,
        )
    return path.with_suffix(".pub")


def _keys(world) -> list[str]:
    return [one["public_key"].strip() for one in world.api("GET", "/account/keys")[1]]


@command("keys:add")
def test_keys_add(heroku, key, world):
    """Uploads a public key."""
    assert f"Uploading {key} SSH key... done" in heroku("keys:add", str(key)).stderr
    assert key.read_text().strip() in _keys(world)


@command("keys")
def test_keys(heroku, key, world):
    """Lists the keys, shortened or whole."""
    world.api("POST", "/account/keys", {"public_key": key.read_text()})
    shown = heroku("keys").stdout
    assert "=== me@laptop keys" in shown and "ssh-ed25519 AAAAC3Nza" in shown
    assert key.read_text().strip() in heroku("keys", "--long").stdout


@command("keys:remove")
def test_keys_remove(heroku, key, world):
    """Removes the key with that comment."""
    world.api("POST", "/account/keys", {"public_key": key.read_text()})
    assert "Removing me@laptop SSH key... done" in heroku("keys:remove", "me@laptop").stderr
    assert key.read_text().strip() not in _keys(world)
