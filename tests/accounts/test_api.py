"""Account and authorizations over HTTP."""

import pytest
from django.test import Client

from apps.accounts.limits import FAILURES


@pytest.fixture(autouse=True)
def _memory_cache(settings):
    settings.CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
            "LOCATION": "limits",
        }
    }
    from django.core.cache import cache

    cache.clear()


def test_without_a_token_nothing_is_shown(db):
    response = Client().get("/account", headers={"Host": "localhost"})
    assert response.status_code == 401
    assert response["WWW-Authenticate"].startswith("Basic")
    assert response.json()["id"] == "unauthorized"


def test_a_wrong_token_is_unauthorized(db):
    response = Client().get(
        "/account", headers={"Host": "localhost", "Authorization": "Bearer paas_wrong"}
    )
    assert response.status_code == 401


def test_the_account_is_shown(api, alice):
    status, body = api(alice)("GET", "/account")
    assert (status, body["email"], body["id"]) == (200, "alice@example.org", str(alice.id))


def test_a_token_is_shown_once(api, alice):
    call = api(alice)
    status, made = call("POST", "/oauth/authorizations", {"description": "ci", "scope": ["read"]})
    token = made["access_token"]["token"]
    assert status == 201 and token.startswith("paas_")
    _, listed = call("GET", "/oauth/authorizations")
    assert token not in str(listed)
    assert any(one["description"] == "ci" and one["scope"] == ["read"] for one in listed)


def test_a_read_token_changes_nothing(api, alice):
    status, body = api(alice, scopes=["read"])("POST", "/apps", {"name": "hello"})
    assert (status, body["id"]) == (403, "forbidden")


def _log_in(email, password):
    return Client().post(
        "/auth/login",
        {"email": email, "password": password},
        content_type="application/json",
        headers={"Host": "localhost", "X-Forwarded-For": "spoofed, 10.1.2.3"},
    )


def test_a_password_buys_a_token(alice):
    response = _log_in("Alice@Example.org", "correct horse battery")
    assert response.status_code == 201
    token = response.json()["access_token"]["token"]
    answer = Client().get(
        "/account", headers={"Host": "localhost", "Authorization": f"Bearer {token}"}
    )
    assert answer.json()["email"] == "alice@example.org"


def test_guessing_is_limited_even_for_the_right_password(alice):
    for _ in range(FAILURES):
        assert _log_in("alice@example.org", "wrong").status_code == 401
    assert _log_in("alice@example.org", "wrong").status_code == 429
    assert _log_in("alice@example.org", "correct horse battery").status_code == 429


def test_an_unknown_address_reads_like_a_wrong_password(alice):
    unknown = _log_in("nobody@example.org", "x").json()
    assert unknown == _log_in("alice@example.org", "x").json()


@pytest.mark.parametrize(
    "body", ["", "{", "[]", '{"scope": "global"}', '{"expires_in": "soon"}', '{"scope": [null]}']
)
def test_bad_bodies_are_told_not_crashed(api, alice, body):
    response = Client().post(
        "/oauth/authorizations",
        body,
        content_type="application/json",
        headers={"Host": "localhost", "Authorization": f"Bearer {api(alice).token}"},
    )
    assert response.status_code in (400, 422)
    assert response.json()["message"]
