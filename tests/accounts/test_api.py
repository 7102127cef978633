"""Account and authorizations over HTTP."""

import pytest
from django.test import Client

from apps.accounts.limits import FAILURES
from tests.conftest import Api

pytestmark = pytest.mark.usefixtures("memory_cache")


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


def test_the_scope_identity_shows_the_account_and_nothing_else(api, alice, hello):
    call = api(alice, scopes=["identity"])
    assert call("GET", "/account")[1]["email"] == "alice@example.org"
    for method, path in [("GET", "/apps"), ("GET", "/apps/hello"), ("GET", "/apps/missing")]:
        assert call(method, path)[0] == 403
    assert call("PATCH", "/account", {"name": "A"})[0] == 403


@pytest.mark.parametrize("scope", ["read", "write", "read-protected", "write-protected"])
def test_scopes_of_apps_leave_the_account_out(api, alice, scope):
    assert api(alice, scopes=[scope])("GET", "/account")[0] == 403


def test_an_authorization_is_described_anew(api, alice):
    call = api(alice)
    made = call("POST", "/oauth/authorizations", {"description": "ci"})[1]
    path = f"/oauth/authorizations/{made['id']}"
    status, changed = call("PATCH", path, {"description": "nightly"})
    assert (status, changed["description"]) == (200, "nightly")
    assert made["access_token"]["token"] not in str(changed)


def test_rotation_ends_the_old_token_and_keeps_the_rest(api, alice):
    call = api(alice)
    body = {"description": "ci", "scope": ["read"], "expires_in": 3600}
    made = call("POST", "/oauth/authorizations", body)[1]
    old = made["access_token"]["token"]
    path = f"/oauth/authorizations/{made['id']}/actions/regenerate-tokens"
    status, rotated = call("POST", path)
    new = rotated["access_token"]["token"]
    assert status == 200 and new != old
    assert (rotated["id"], rotated["scope"]) == (made["id"], ["read"])
    assert 3500 < rotated["access_token"]["expires_in"] <= 3600
    assert Api(old)("GET", "/apps")[0] == 401
    assert Api(new)("GET", "/apps")[0] == 200


def test_nobody_rotates_or_describes_another_s_token(api, alice, bob):
    made = api(alice)("POST", "/oauth/authorizations", {})[1]
    path = f"/oauth/authorizations/{made['id']}"
    assert api(bob)("PATCH", path, {"description": "x"})[0] == 404
    assert api(bob)("POST", f"{path}/actions/regenerate-tokens")[0] == 404
    assert Api(made["access_token"]["token"])("GET", "/account")[0] == 200
