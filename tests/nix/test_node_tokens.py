"""Tokens of nodes: who makes them, what they open, and what they do not."""

from __future__ import annotations

import base64
from collections.abc import Callable

import pytest
from django.conf import settings
from django.test import Client

from apps.accounts.authorizations import issue
from apps.accounts.errors import Conflict, Forbidden, NotFound, Refused
from apps.accounts.models import User
from apps.accounts.policy import Actor
from apps.activity.models import Activity
from apps.nodes import tokens
from apps.nodes.models import NodeToken
from paas.nix.cache_folder import CacheFolder
from tests.conftest import Api

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("memory_cache")]


@pytest.fixture
def token(admin: User) -> str:
    return tokens.create(Actor(admin), "node-1").token


def basic(token: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"node-1:{token}".encode()).decode()}


def status(path: str, headers: dict[str, str] | None = None) -> int:
    CacheFolder(settings.INSTANCE.cache / "nix").make()
    return Client().get(path, headers=headers or {}).status_code


def test_it_opens_the_cache_and_the_registry(token: str) -> None:
    for path in ("/cache/nix-cache-info", "/v2/"):
        assert status(path) == 401
        assert status(path, basic(token)) == 200
        assert status(path, {"Authorization": f"Bearer {token}"}) == 200


def test_it_opens_nothing_else(token: str) -> None:
    for path in ("/apps", "/account", "/nodes/tokens", "/nodes/cache"):
        assert status(path, basic(token)) == 401


def test_no_users_token_opens_the_cache(admin: User) -> None:
    for path in ("/cache/nix-cache-info", "/v2/"):
        assert status(path, basic(issue(admin).token)) == 401


def test_a_revoked_one_is_worthless(admin: User, token: str) -> None:
    tokens.revoke(Actor(admin), "node-1")
    assert status("/v2/", basic(token)) == 401
    with pytest.raises(NotFound):
        tokens.revoke(Actor(admin), "node-1")
    again = tokens.create(Actor(admin), "node-1")
    assert status("/v2/", basic(again.token)) == 200
    tokens.revoke(Actor(admin), str(again.row.id))
    assert status("/v2/", basic(again.token)) == 401


def test_it_is_kept_as_a_hash_and_its_use_is_noted(token: str) -> None:
    (row,) = NodeToken.objects.all()
    kept = " ".join(str(value) for value in NodeToken.objects.values_list().get())
    assert token.startswith("paas_node_") and token not in kept
    assert row.last_used_at is None
    status("/v2/", basic(token))
    row.refresh_from_db()
    assert row.last_used_at is not None


def test_what_was_done_is_in_the_audit_trail(admin: User, token: str) -> None:
    tokens.revoke(Actor(admin), "node-1")
    found = Activity.objects.filter(verb__startswith="node-token").order_by("at")
    assert [one.verb for one in found] == ["node-token.create", "node-token.revoke"]
    assert all(one.details["node"] == "node-1" for one in found)
    assert all(token not in str(one.details) for one in found)


def test_guessing_is_limited(token: str) -> None:
    answers = [status("/v2/", basic(f"paas_node_{n}")) for n in range(25)]
    assert answers[0] == 401 and answers[-1] == 429
    assert status("/v2/", basic(token)) == 200


@pytest.mark.parametrize("name", ["", "Node", "-node", "node-", "a b", "a/b", "n" * 64, "nöde"])
def test_a_name_is_a_hosts(admin: User, name: str) -> None:
    with pytest.raises(Refused, match="1 to 63"):
        tokens.create(Actor(admin), name)


def test_two_do_not_share_a_name(admin: User, token: str) -> None:
    with pytest.raises(Conflict, match="nodes:tokens:revoke node-1"):
        tokens.create(Actor(admin), "node-1")


def test_only_admins_make_them(alice: User) -> None:
    for verb in (
        lambda: tokens.create(Actor(alice), "node-2"),
        lambda: tokens.all_tokens(Actor(alice)),
        lambda: tokens.revoke(Actor(alice), "node-1"),
    ):
        with pytest.raises(Forbidden):
            verb()


@pytest.mark.parametrize(
    "name",
    [
        "0" * 32 + ".narinfo",
        "nar/" + "0" * 52 + ".nar.zst",
        ".lock",
        "nar/",
        "../../keys/nix_ci_key",
        "%2e%2e/%2e%2e/keys/nix_ci_key",
        "nar/../.lock",
        "nix-cache-info/",
    ],
)
def test_only_what_belongs_to_the_cache_is_sent(token: str, name: str) -> None:
    assert status(f"/cache/{name}", basic(token)) == 404


def test_nothing_can_be_written(token: str) -> None:
    for path in ("/cache/nix-cache-info", "/v2/", "/v2/hello/manifests/latest"):
        for method in ("PUT", "POST", "DELETE", "PATCH"):
            answer = Client().generic(method, path, headers=basic(token))
            assert answer.status_code == 405


def test_over_the_api(api: Callable[..., Api], admin: User) -> None:
    call = api(admin)
    done, made = call("POST", "/nodes/tokens", {"name": "node-9"})
    assert done == 201
    assert status("/v2/", basic(made["token"])) == 200
    done, (listed,) = call("GET", "/nodes/tokens")
    assert (done, listed["name"], listed["id"]) == (200, "node-9", made["id"])
    assert "token" not in listed and made["token"].startswith(listed["hint"])
    assert call("DELETE", "/nodes/tokens/node-9")[0] == 200
    assert call("GET", "/nodes/tokens") == (200, [])
