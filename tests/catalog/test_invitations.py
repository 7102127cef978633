"""Invitations: single use, hashed, bound to an address, expiring, seen by managers alone."""

import threading
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from apps.accounts.errors import Refused
from apps.accounts.limits import FAILURES
from apps.accounts.models import User
from apps.accounts.policy import Right
from apps.catalog import invitations
from apps.catalog.models import Collaborator, Invitation

pytestmark = pytest.mark.usefixtures("memory_cache")

PATH = "/apps/hello/collaborators"
NEW = "new@example.org"
PASSWORD = "a horse of another colour"


@pytest.fixture
def invite(api, alice, hello):
    """`invite(email)` lets Alice invite somebody to deploy; the answer."""

    def make(email=NEW, permission="deploy"):
        body = {"user": email, "permissions": [permission]}
        status, made = api(alice)("POST", PATH, body)
        assert status == 202, made
        return made

    return make


def accept(token, password=PASSWORD, **more):
    response = Client().post(
        "/invitations/actions/accept",
        {"token": token, "password": password, **more},
        content_type="application/json",
        headers={"Host": "localhost", "X-Forwarded-For": "10.1.2.3"},
    )
    return response.status_code, response.json()


def test_acceptance_makes_the_account_and_gives_the_right(invite, hello):
    made = invite("New@Example.org")
    assert made["email"] == NEW
    assert made["url"].endswith(made["token"])
    assert accept(made["token"], name="Newcomer")[0] == 201
    user = User.objects.get(email=NEW)
    assert user.check_password(PASSWORD) and user.name == "Newcomer" and not user.is_admin
    assert hello.rights_of(user) == Right.DEPLOY


def test_a_link_works_once(invite, hello):
    made = invite()
    assert accept(made["token"])[0] == 201
    status, body = accept(made["token"], "another good password")
    assert (status, body["id"]) == (401, "unauthorized")
    assert User.objects.get(email=NEW).check_password(PASSWORD)


def test_the_token_itself_is_not_kept_or_shown_again(api, alice, invite):
    made = invite()
    row = Invitation.objects.values().get()
    assert made["token"] not in {str(value) for value in row.values()}
    _, listed = api(alice)("GET", "/invitations")
    assert [one["email"] for one in listed] == [NEW]
    assert made["token"] not in str(listed)


def test_an_expired_link_is_worthless_and_no_longer_listed(api, alice, invite):
    made = invite()
    Invitation.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert accept(made["token"])[0] == 401
    assert api(alice)("GET", "/invitations")[1] == []
    assert not User.objects.filter(email=NEW).exists()


def test_a_revoked_link_is_worthless(api, alice, invite):
    made = invite()
    assert api(alice)("DELETE", f"/invitations/{made['id']}")[0] == 200
    assert accept(made["token"])[0] == 401
    assert api(alice)("DELETE", f"/invitations/{made['id']}")[0] == 404


def test_inviting_again_replaces_the_link(invite, hello):
    old, new = invite(), invite(permission="view")
    assert accept(old["token"])[0] == 401
    assert accept(new["token"])[0] == 201
    assert hello.rights_of(User.objects.get(email=NEW)) == Right.VIEW


@pytest.mark.parametrize("right", [None, Right.VIEW, Right.DEPLOY, Right.OPERATE])
def test_who_does_not_manage_sees_and_revokes_none(api, bob, hello, invite, right):
    made = invite()
    if right:
        Collaborator.objects.create(app=hello, user=bob, right=right)
    assert api(bob)("GET", "/invitations") == (200, [])
    assert api(bob)("DELETE", f"/invitations/{made['id']}")[0] == 404
    assert accept(made["token"])[0] == 201


def test_a_manager_sees_those_to_the_app_an_admin_all(api, admin, bob, hello, invite):
    made = invite()
    Collaborator.objects.create(app=hello, user=bob, right=Right.MANAGE)
    api(admin)("POST", "/invitations", {"email": "other@example.org"})
    assert [one["id"] for one in api(bob)("GET", "/invitations")[1]] == [made["id"]]
    assert len(api(admin)("GET", "/invitations")[1]) == 2


def test_a_link_ends_with_its_inviter_s_right(api, alice, bob, hello):
    """Who may no longer give access must not come back through a link they know."""
    Collaborator.objects.create(app=hello, user=bob, right=Right.MANAGE)
    made = api(bob)("POST", PATH, {"user": NEW, "permissions": ["manage"]})[1]
    api(alice)("PATCH", f"{PATH}/{bob.email}", {"permissions": ["operate"]})
    assert accept(made["token"])[0] == 401
    assert not User.objects.filter(email=NEW).exists()


def test_an_account_that_exists_is_never_opened_by_a_link(api, alice, invite, hello):
    """Two apps invite the same address; the second link needs the account's own password."""
    api(alice)("POST", "/apps", {"name": "second-app"})
    first = invite()
    body = {"user": NEW, "permissions": ["manage"]}
    second = api(alice)("POST", "/apps/second-app/collaborators", body)[1]
    accept(first["token"])
    assert accept(second["token"], "the thief's own choice")[0] == 401
    assert User.objects.get(email=NEW).check_password(PASSWORD)
    assert accept(second["token"])[0] == 201
    assert Collaborator.objects.filter(user__email=NEW).count() == 2


def test_a_weak_password_leaves_the_invitation_open(invite):
    made = invite()
    status, body = accept(made["token"], "short")
    assert status == 422 and "12 characters" in body["message"]
    assert accept(made["token"])[0] == 201


def test_guessing_is_limited(db):
    for _ in range(FAILURES):
        assert accept("wrong")[0] == 401
    assert accept("wrong")[0] == 429


@pytest.mark.parametrize("email", ["", "new", "new@", "a b@example.org", "<x>@example.org", "a\nb"])
def test_what_is_no_address_is_not_invited(api, alice, admin, hello, email):
    assert api(alice)("POST", PATH, {"user": email})[0] == 422
    assert api(admin)("POST", "/invitations", {"email": email})[0] == 422
    assert not Invitation.objects.exists()


def test_only_admins_invite_to_the_instance(api, alice, admin):
    assert api(alice)("POST", "/invitations", {"email": NEW})[0] == 403
    status, made = api(admin)("POST", "/invitations", {"email": NEW})
    assert (status, made["app"], made["permissions"]) == (201, None, [])
    assert accept(made["token"])[0] == 201
    assert not Collaborator.objects.filter(user__email=NEW).exists()


def test_no_invitation_for_who_has_an_account(api, admin, bob):
    assert api(admin)("POST", "/invitations", {"email": bob.email})[0] == 422


@pytest.mark.django_db(transaction=True)
def test_two_who_accept_at_once_make_one_account(invite):
    made, results, start = invite(), [], threading.Barrier(4)

    def take(number: int) -> None:
        start.wait()
        try:
            invitations.accept(made["token"], f"{PASSWORD} {number}", client=f"10.0.0.{number}")
            results.append(number)
        except Refused:
            pass
        finally:
            connection.close()

    threads = [threading.Thread(target=take, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (first,) = results
    assert User.objects.get(email=NEW).check_password(f"{PASSWORD} {first}")
    assert not Invitation.objects.exists()
