"""Users: made and reset by admins, changed by themselves."""

import pytest

from apps.accounts.limits import FAILURES
from apps.accounts.models import User
from apps.accounts.policy import Actor
from apps.accounts.users import delete_user
from apps.activity.models import Activity
from tests.conftest import Api

pytestmark = pytest.mark.usefixtures("memory_cache")

PASSWORD = "correct horse battery"


def test_an_admin_makes_a_user_whose_password_is_shown_once(api, admin):
    call = api(admin)
    status, made = call("POST", "/users", {"email": "New@Example.org", "name": "Newcomer"})
    assert (status, made["email"], made["admin"]) == (201, "new@example.org", False)
    assert User.objects.get(email="new@example.org").check_password(made["password"])
    assert made["password"] not in str(call("GET", "/users")[1])
    assert made["password"] not in str(list(Activity.objects.values()))


def test_an_admin_makes_an_admin(api, admin):
    made = api(admin)("POST", "/users", {"email": "second@example.org", "admin": True})[1]
    assert User.objects.get(pk=made["id"]).is_admin


@pytest.mark.parametrize("email", ["", "x", "a b@example.org", "ALICE@example.org", "x" * 300])
def test_bad_and_taken_addresses_are_refused(api, admin, alice, email):
    status, body = api(admin)("POST", "/users", {"email": email})
    assert status == 422 and body["message"]
    assert User.objects.count() == 2


def test_users_are_the_admins_matter(api, admin, alice):
    for method, path, body in [
        ("GET", "/users", None),
        ("POST", "/users", {"email": "x@example.org"}),
        ("GET", f"/users/{admin.email}", None),
        ("GET", "/users/nobody@example.org", None),
        ("DELETE", f"/users/{admin.email}", None),
        ("POST", f"/users/{admin.email}/actions/reset-password", None),
    ]:
        assert api(alice)(method, path, body)[0] == 403, path
        assert api(admin, scopes=["write"])(method, path, body)[0] == 403, path


def test_a_user_is_found_by_address_or_id(api, admin, alice):
    for key in (alice.id, "Alice@example.org"):
        assert api(admin)("GET", f"/users/{key}")[1]["email"] == alice.email
    assert api(admin)("GET", "/users/nobody")[0] == 404


def test_an_admin_resets_a_password_and_ends_all_tokens(api, admin, alice):
    held = api(alice)
    status, made = api(admin)("POST", f"/users/{alice.email}/actions/reset-password")
    alice.refresh_from_db()
    assert status == 200 and alice.check_password(made["password"])
    assert held("GET", "/account")[0] == 401


def test_nobody_resets_or_removes_themselves(api, admin):
    assert api(admin)("POST", f"/users/{admin.email}/actions/reset-password")[0] == 422
    assert api(admin)("DELETE", f"/users/{admin.email}")[0] == 422
    assert User.objects.filter(pk=admin.pk).exists()


def test_an_admin_is_always_left(admin):
    """Two admins who remove each other at once: the second finds itself gone."""
    other = User.objects.create_user("other@example.org", PASSWORD, is_admin=True)
    delete_user(Actor(admin), other)
    with pytest.raises(Exception, match="just been removed"):
        delete_user(Actor(other), admin)
    assert User.objects.filter(is_admin=True).count() == 1


def test_one_s_name_is_changed_without_a_password(api, alice):
    status, body = api(alice)("PATCH", "/account", {"name": "Alice"})
    assert (status, body["name"], body["email"]) == (200, "Alice", alice.email)


def test_one_s_address_needs_the_password(api, alice, bob):
    call = api(alice)
    assert call("PATCH", "/account", {"email": "a@example.org"})[0] == 422
    wrong = {"email": "a@example.org", "password": "wrong"}
    assert call("PATCH", "/account", wrong)[0] == 401
    right = {"email": "A@example.org", "password": PASSWORD}
    assert call("PATCH", "/account", right)[1]["email"] == "a@example.org"
    taken = {"email": bob.email, "password": PASSWORD}
    assert call("PATCH", "/account", taken)[0] == 422


def test_a_new_password_ends_the_other_tokens(api, alice):
    here, elsewhere = api(alice), api(alice)
    body = {"password": PASSWORD, "new_password": "a horse of another colour"}
    assert here("PATCH", "/account", body)[0] == 200
    assert here("GET", "/account")[0] == 200
    assert elsewhere("GET", "/account")[0] == 401
    alice.refresh_from_db()
    assert alice.check_password("a horse of another colour")


@pytest.mark.parametrize("new", ["short", "password1234", ""])
def test_a_weak_password_is_refused(api, alice, new):
    body = {"password": PASSWORD, "new_password": new}
    assert api(alice)("PATCH", "/account", body)[0] == 422
    alice.refresh_from_db()
    assert alice.check_password(PASSWORD)


def test_a_stolen_token_cannot_guess_the_password(api, alice):
    call = api(alice)
    body = {"password": "wrong", "new_password": "a horse of another colour"}
    for _ in range(FAILURES):
        assert call("PATCH", "/account", body)[0] == 401
    assert call("PATCH", "/account", {**body, "password": PASSWORD})[0] == 429


def test_a_narrow_token_changes_no_account(api, alice):
    assert api(alice, scopes=["write"])("PATCH", "/account", {"name": "x"})[0] == 403


def test_signing_in_is_noted(api, alice):
    Api("")("POST", "/auth/login", {"email": alice.email, "password": PASSWORD})
    assert api(alice)("GET", "/account")[1]["last_login"]
