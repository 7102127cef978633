"""Collaborators: who may give, change and take which rights."""

import pytest

from apps.accounts.policy import Right
from apps.activity.models import Activity
from apps.catalog.models import Collaborator

PATH = "/apps/hello/collaborators"


@pytest.fixture
def give(hello):
    """`give(user, Right.DEPLOY)` makes a collaborator of Alice's app."""
    return lambda user, right: Collaborator.objects.create(app=hello, user=user, right=right)


def test_the_owner_gives_a_right_in_heroku_s_shape(api, alice, bob, hello):
    status, made = api(alice)("POST", PATH, {"user": "Bob@example.org", "permissions": ["deploy"]})
    assert status == 201
    assert set(made) == {
        "id", "app", "user", "role", "permissions", "created_at", "updated_at"
    }  # fmt: skip
    assert made["user"] == {"id": str(bob.id), "email": "bob@example.org"}
    assert made["app"] == {"id": str(hello.id), "name": "hello"}
    assert [one["name"] for one in made["permissions"]] == ["view", "deploy"]
    assert hello.rights_of(bob) == Right.DEPLOY
    (act,) = Activity.objects.filter(verb="collaborator.create")
    assert (act.app, act.details) == ("hello", {"user": "bob@example.org", "right": "deploy"})


def test_without_permissions_it_is_what_heroku_s_collaborators_may(api, alice, bob, hello):
    assert api(alice)("POST", PATH, {"user": str(bob.id)})[0] == 201
    assert hello.rights_of(bob) == Right.OPERATE


@pytest.mark.parametrize("permissions", [[], ["own"], ["none"], ["deploy", "root"], [""]])
def test_unknown_permissions_are_refused(api, alice, bob, hello, permissions):
    status, body = api(alice)("POST", PATH, {"user": bob.email, "permissions": permissions})
    assert status == 422 and "view, deploy, operate, manage" in body["message"]
    assert hello.rights_of(bob) == Right.NONE


def test_the_list_begins_with_the_owner(api, alice, bob, hello, give):
    give(bob, Right.VIEW)
    listed = api(bob)("GET", PATH)[1]
    assert [(one["user"]["email"], one["role"]) for one in listed] == [
        ("alice@example.org", "owner"),
        ("bob@example.org", "collaborator"),
    ]
    assert len(listed[0]["permissions"]) == 4


def test_adding_twice_is_a_conflict_and_changes_nothing(api, alice, bob, hello):
    call = api(alice)
    call("POST", PATH, {"user": bob.email, "permissions": ["view"]})
    status, body = call("POST", PATH, {"user": bob.email, "permissions": ["manage"]})
    assert (status, body["id"]) == (409, "conflict")
    assert "access:update" in body["message"]
    assert hello.rights_of(bob) == Right.VIEW


def test_a_right_is_changed_by_address_or_either_id(api, alice, bob, hello, give):
    made = give(bob, Right.VIEW)
    call = api(alice)
    for key, name in [(bob.email, "deploy"), (bob.id, "operate"), (made.id, "manage")]:
        status, body = call("PATCH", f"{PATH}/{key}", {"permissions": [name]})
        assert (status, body["permissions"][-1]["name"]) == (200, name)
        assert hello.rights_of(bob) == Right[name.upper()]


def test_a_manager_gives_and_takes_access(api, admin, bob, hello, give):
    give(bob, Right.MANAGE)
    call = api(bob)
    assert call("POST", PATH, {"user": admin.email, "permissions": ["manage"]})[0] == 201
    assert call("DELETE", f"{PATH}/{admin.email}")[0] == 200


@pytest.mark.parametrize("right", [Right.VIEW, Right.DEPLOY, Right.OPERATE])
def test_less_than_manage_gives_no_access_not_even_to_oneself(api, admin, bob, hello, give, right):
    give(bob, right)
    call = api(bob)
    assert call("POST", PATH, {"user": admin.email})[0] == 403
    assert call("PATCH", f"{PATH}/{bob.email}", {"permissions": ["manage"]})[0] == 403
    assert hello.rights_of(bob) == right


def test_everybody_may_leave(api, bob, hello, give):
    made = give(bob, Right.VIEW)
    assert api(bob, scopes=["read"])("DELETE", f"{PATH}/{bob.email}")[0] == 403
    assert api(bob)("DELETE", f"{PATH}/{made.id}")[0] == 200
    assert hello.rights_of(bob) == Right.NONE
    assert api(bob)("GET", "/apps/hello")[0] == 404


@pytest.mark.parametrize("who", ["alice", "bob"])
def test_the_owner_stays(api, alice, bob, hello, give, who):
    give(bob, Right.MANAGE)
    call = api({"alice": alice, "bob": bob}[who])
    for key in (alice.email, alice.id):
        status, body = call("DELETE", f"{PATH}/{key}")
        assert status == 422 and "apps:transfer" in body["message"]
        assert call("PATCH", f"{PATH}/{key}", {"permissions": ["view"]})[0] == 422
    assert call("POST", PATH, {"user": alice.email})[0] == 422
    assert hello.rights_of(alice) == Right.OWN


def test_a_manager_cannot_destroy(api, bob, hello, give):
    give(bob, Right.MANAGE)
    status, body = api(bob)("DELETE", "/apps/hello")
    assert status == 403 and "Only the owner" in body["message"]


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
def test_who_is_no_collaborator_is_not_found(api, alice, bob, hello, method):
    body = {"permissions": ["view"]} if method == "PATCH" else None
    assert api(alice)(method, f"{PATH}/{bob.email}", body)[0] == 404
    assert api(alice)(method, f"{PATH}/nobody", body)[0] == 404


def test_a_collaborator_of_another_app_is_not_touched(api, alice, bob, hello, give):
    """Nobody reaches into an app by the id of something in it (CVE-2026-48742's class)."""
    api(bob)("POST", "/apps", {"name": "bobs-app"})
    made = give(bob, Right.VIEW)
    for method, body in [("GET", None), ("PATCH", {"permissions": ["manage"]}), ("DELETE", None)]:
        assert api(bob)(method, f"/apps/bobs-app/collaborators/{made.id}", body)[0] == 404
    assert hello.rights_of(bob) == Right.VIEW
