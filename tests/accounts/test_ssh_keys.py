"""SSH keys over HTTP: whose they are, and that nobody learns about somebody else's."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

import pytest
from django.db import connection

from apps.accounts import ssh_keys
from apps.accounts.errors import Refused
from apps.accounts.models import SSHKey
from apps.accounts.policy import Actor
from apps.activity.models import Activity
from tests.accounts.test_public_keys import ED25519, SECURITY_KEYS

LINE = f"{ED25519} alice@laptop"


def add(call, line=LINE):
    return call("POST", "/account/keys", {"public_key": line})


def test_a_key_is_added_in_herokus_shape(api, alice) -> None:
    status, key = add(api(alice))
    assert status == 201
    assert key["fingerprint"].startswith("SHA256:")
    assert (key["public_key"], key["comment"], key["email"]) == (LINE, *["alice@laptop"] * 2)
    assert {"id", "created_at", "updated_at"} <= key.keys()
    assert api(alice)("GET", "/account/keys") == (200, [key])
    entry = Activity.objects.get(verb="key.add")
    assert (entry.actor, entry.details) == (str(alice), {"fingerprint": key["fingerprint"]})


def test_adding_it_again_changes_nothing(api, alice) -> None:
    first, again = add(api(alice)), add(api(alice), f"{ED25519} another comment")
    assert first == again
    assert Activity.objects.filter(verb="key.add").count() == 1


def test_somebody_elses_key_is_refused_without_a_name(api, alice, bob) -> None:
    add(api(alice))
    status, body = add(api(bob))
    assert (status, body["id"]) == (422, "invalid_params")
    assert "in use already" in body["message"] and "alice" not in str(body)
    assert api(bob)("GET", "/account/keys") == (200, [])


def test_a_key_is_found_by_its_id_and_by_its_fingerprint(api, alice) -> None:
    for line in (LINE, *SECURITY_KEYS.values()):  # some fingerprint has a slash
        _, key = add(api(alice), line)
        for name in (key["id"], key["fingerprint"], quote(key["fingerprint"], safe="")):
            assert api(alice)("GET", f"/account/keys/{name}") == (200, key)


def test_a_removed_key_is_gone_at_once(api, alice) -> None:
    _, key = add(api(alice))
    assert ssh_keys.actor_for_key(key["fingerprint"]) == Actor(alice)
    assert api(alice)("DELETE", f"/account/keys/{key['fingerprint']}") == (200, key)
    assert ssh_keys.actor_for_key(key["fingerprint"]) is None
    assert api(alice)("DELETE", f"/account/keys/{key['fingerprint']}")[0] == 404
    assert Activity.objects.filter(verb="key.remove").count() == 1


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_somebody_elses_key_is_not_there(api, alice, bob, method) -> None:
    _, key = add(api(alice))
    unknown = api(bob)(method, "/account/keys/SHA256:unknown")
    assert unknown[0] == 404
    for name in (key["id"], key["fingerprint"], "x" * 5000, ".."):
        assert api(bob)(method, f"/account/keys/{name}") == unknown
    assert SSHKey.objects.count() == 1


@pytest.mark.parametrize("scopes", [["read"], ["write"], ["identity"], ["write-protected"]])
def test_keys_need_the_scope_global(api, alice, scopes) -> None:
    _, key = add(api(alice))
    narrow = api(alice, scopes=scopes)
    assert add(narrow)[0] == 403
    assert narrow("GET", "/account/keys")[0] == 403
    assert narrow("GET", f"/account/keys/{key['id']}")[0] == 403
    assert narrow("DELETE", f"/account/keys/{key['id']}")[0] == 403


@pytest.mark.parametrize("body", [{}, {"public_key": None}, {"public_key": 1}, {"public_key": ""}])
def test_what_is_no_key_is_refused(api, alice, body) -> None:
    status, answer = api(alice)("POST", "/account/keys", body)
    assert status == 422 and answer["message"]


def test_a_key_of_an_inactive_user_is_nobodys(api, alice) -> None:
    _, key = add(api(alice))
    alice.is_active = False
    alice.save()
    assert ssh_keys.actor_for_key(key["fingerprint"]) is None


def test_one_user_keeps_a_bounded_number(alice, monkeypatch) -> None:
    monkeypatch.setattr(ssh_keys, "MOST_KEYS", 1)
    ssh_keys.add(Actor(alice), LINE)
    with pytest.raises(Refused, match="paas keys:remove"):
        ssh_keys.add(Actor(alice), next(iter(SECURITY_KEYS.values())))


@pytest.mark.django_db(transaction=True)
def test_of_two_who_add_a_key_at_once_one_has_it(alice, bob) -> None:
    def try_adding(user):
        try:
            return ssh_keys.add(Actor(user), LINE)
        except Refused:
            return None
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        added = list(pool.map(try_adding, (alice, bob)))
    assert sum(key is not None for key in added) == 1
    assert SSHKey.objects.count() == 1
