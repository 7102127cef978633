"""Transfers and departures: an app always has one owner."""

import threading

import pytest
from django.db import connection

from apps.accounts.errors import Refused
from apps.accounts.models import User
from apps.accounts.policy import Actor, Right
from apps.catalog import transfers
from apps.catalog.manage import create_app
from apps.catalog.models import App, AppTransfer, Collaborator

PATH = "/account/app-transfers"


@pytest.fixture
def offered(api, alice, bob, hello):
    """Alice has offered hello to Bob, who may deploy."""
    Collaborator.objects.create(app=hello, user=bob, right=Right.DEPLOY)
    status, made = api(alice)("POST", PATH, {"app": "hello", "recipient": bob.email})
    assert status == 201, made
    return f"{PATH}/{made['id']}"


def test_it_has_heroku_s_shape(api, alice, bob, hello, offered):
    made = api(bob)("GET", offered)[1]
    assert set(made) == {"id", "app", "owner", "recipient", "state", "created_at", "updated_at"}
    assert made["app"] == {"id": str(hello.id), "name": "hello"}
    assert made["owner"]["email"] == alice.email
    assert (made["recipient"]["email"], made["state"]) == (bob.email, "pending")
    assert api(alice)("GET", PATH)[1] == api(bob)("GET", PATH)[1] == [made]


def test_accepted_the_recipient_owns_and_the_owner_works_on_it(api, alice, bob, hello, offered):
    status, body = api(bob)("PATCH", offered, {"state": "accepted"})
    assert (status, body["state"]) == (200, "accepted")
    hello = App.objects.get(pk=hello.pk)
    assert hello.owner == bob
    assert hello.rights_of(alice) == Right.OPERATE
    assert not Collaborator.objects.filter(user=bob).exists()
    assert api(bob)("PATCH", offered, {"state": "accepted"})[0] == 422, "once"


def test_declined_nothing_changes_and_it_can_be_offered_again(api, alice, bob, hello, offered):
    assert api(bob)("PATCH", offered, {"state": "declined"})[1]["state"] == "declined"
    assert api(bob)("PATCH", offered, {"state": "accepted"})[0] == 422
    assert App.objects.get(pk=hello.pk).owner == alice
    assert api(alice)("POST", PATH, {"app": "hello", "recipient": bob.email})[0] == 201


@pytest.mark.parametrize("recipient", ["stranger@example.org", "root@example.org", "x"])
def test_an_app_goes_to_no_stranger_known_or_not(api, alice, admin, hello, recipient):
    status, body = api(alice)("POST", PATH, {"app": "hello", "recipient": recipient})
    assert status == 422 and "collaborators only" in body["message"]


def test_only_the_owner_offers_and_only_the_recipient_answers(api, alice, admin, bob, hello):
    Collaborator.objects.create(app=hello, user=bob, right=Right.MANAGE)
    assert api(bob)("POST", PATH, {"app": "hello", "recipient": bob.email})[0] == 403
    made = api(alice)("POST", PATH, {"app": "hello", "recipient": bob.email})[1]
    path = f"{PATH}/{made['id']}"
    assert api(alice)("PATCH", path, {"state": "accepted"})[0] == 403
    assert api(admin)("PATCH", path, {"state": "accepted"})[0] == 404
    assert api(bob)("DELETE", path)[0] == 403
    assert api(bob, scopes=["read"])("PATCH", path, {"state": "accepted"})[0] == 403
    assert App.objects.get(pk=hello.pk).owner == alice


def test_one_offer_at_a_time_and_it_can_be_taken_back(api, alice, bob, offered):
    again = {"app": "hello", "recipient": bob.email}
    assert api(alice)("POST", PATH, again)[0] == 409
    assert api(alice)("DELETE", offered)[0] == 200
    assert api(bob)("PATCH", offered, {"state": "accepted"})[0] == 404
    assert api(alice)("POST", PATH, again)[0] == 201


def test_an_offer_ends_with_the_recipient_s_access(api, alice, bob, hello, offered):
    api(alice)("DELETE", f"/apps/hello/collaborators/{bob.email}")
    assert api(bob)("PATCH", offered, {"state": "accepted"})[0] == 422
    assert App.objects.get(pk=hello.pk).owner == alice


@pytest.mark.django_db(transaction=True)
def test_two_accepts_at_once_move_it_once(bob, hello):
    Collaborator.objects.create(app=hello, user=bob, right=Right.VIEW)
    made = transfers.offer(Actor(hello.owner), hello, bob)
    results, start = [], threading.Barrier(4)

    def accept() -> None:
        mine = AppTransfer.objects.select_related("app", "owner", "recipient").get(pk=made.pk)
        start.wait()
        try:
            results.append(transfers.accept(Actor(bob), mine).state)
        except Refused:
            results.append("refused")
        finally:
            connection.close()

    threads = [threading.Thread(target=accept) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == ["accepted", "refused", "refused", "refused"]
    assert App.objects.get(pk=hello.pk).owner == bob
    assert Collaborator.objects.get(app=hello).user == hello.owner


def test_who_owns_apps_is_not_removed_without_an_heir(api, admin, alice, hello):
    status, body = api(admin)("DELETE", f"/users/{alice.email}")
    assert status == 422 and "hello" in body["message"] and "--transfer-to" in body["message"]
    assert api(admin)("DELETE", f"/users/{alice.email}", {"transfer_to": "x@y.z"})[0] == 422
    assert api(admin)("DELETE", f"/users/{alice.email}", {"transfer_to": alice.email})[0] == 422
    assert User.objects.filter(pk=alice.pk).exists()


def test_the_heir_gets_the_apps(api, admin, alice, bob, hello):
    Collaborator.objects.create(app=hello, user=bob, right=Right.VIEW)
    token = api(alice)
    status, _ = api(admin)("DELETE", f"/users/{alice.email}", {"transfer_to": bob.email})
    assert status == 200
    assert App.objects.get(pk=hello.pk).owner == bob
    assert not Collaborator.objects.exists()
    assert not User.objects.filter(pk=alice.pk).exists()
    assert token("GET", "/account")[0] == 401


def test_with_a_user_go_their_rights_and_invitations(api, admin, alice, bob, hello):
    Collaborator.objects.create(app=hello, user=bob, right=Right.MANAGE)
    api(bob)("POST", "/apps/hello/collaborators", {"user": "new@example.org"})
    assert api(admin)("DELETE", f"/users/{bob.id}")[0] == 200
    assert api(alice)("GET", "/invitations")[1] == []
    assert len(api(alice)("GET", "/apps/hello/collaborators")[1]) == 1


def test_an_app_is_never_lost_with_its_owner(admin, alice, hello):
    """Made between the look and the removal: the database holds on to it."""
    from django.db import IntegrityError, transaction

    from apps.accounts.users import delete_user

    create_app(Actor(alice), "late-app")
    with pytest.raises(IntegrityError), transaction.atomic():
        delete_user(Actor(admin), alice)
    assert App.objects.count() == 2
