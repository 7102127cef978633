"""Who sees which page and button, and that the verb behind a hidden one refuses all the same."""

import re

import pytest

from apps.accounts.models import User
from apps.accounts.policy import Actor, Right
from apps.builds.models import Build, BuildState
from apps.catalog.invitations import invite
from apps.catalog.models import App, Collaborator, Invitation
from apps.dashboard.urls import urlpatterns
from apps.releases.models import Release
from tests.dashboard.conftest import PASSWORD

APP = "/dashboard/apps/hello"
PAGES = {
    "": Right.VIEW,
    "/builds": Right.VIEW,
    "/builds/{build}": Right.VIEW,
    "/releases": Right.VIEW,
    "/releases/1": Right.VIEW,
    "/releases/1/rollback": Right.OPERATE,
    "/config": Right.OPERATE,
    "/processes": Right.VIEW,
    "/logs": Right.VIEW,
    "/access": Right.VIEW,
    "/settings": Right.OPERATE,
}
ACTS = {
    "/builds/{build}/cancel": ({}, Right.DEPLOY),
    "/releases/1/rollback": ({}, Right.OPERATE),
    "/config/reveal": ({"reveal": "SECRET"}, Right.OPERATE),
    "/config/review": ({"set:GREETING": "ho"}, Right.OPERATE),
    "/config/apply": ({"set:GREETING": "ho"}, Right.OPERATE),
    "/processes/scale": ({"type": "web", "quantity": "2", "size": "standard"}, Right.OPERATE),
    "/processes/restart": ({"which": "web.1"}, Right.OPERATE),
    "/settings/maintenance": ({"on": "1"}, Right.OPERATE),
    "/settings/destroy": ({"confirm": "hello"}, Right.OWN),
    "/access/add": ({"email": "erin@example.org", "right": "view"}, Right.MANAGE),
    "/access/{carol}/change": ({"right": "manage"}, Right.MANAGE),
    "/access/{carol}/remove": ({}, Right.MANAGE),
    "/invitations/{invitation}/revoke": ({}, Right.MANAGE),
}
LADDER = list(Right)
FOR_EVERYBODY = {"", "sign-in", "sign-out", "new", "invitations/<str:token>", "apps/<str:name>"}


@pytest.fixture
def ids(build, hello, alice) -> dict[str, object]:
    """What the addresses name: a build that can be cancelled, a collaborator, an invitation."""
    Build.objects.filter(pk=build.pk).update(state=BuildState.BUILDING)
    carol = User.objects.create_user("carol@example.org", PASSWORD)
    Collaborator.objects.create(app=hello, user=carol, right=Right.VIEW)
    invitation = invite(Actor(alice), "dave@example.org", hello, Right.VIEW).invitation
    return {"build": build.id, "carol": carol.id, "invitation": invitation.id}


def _expected(right: Right, needed: Right, allowed: tuple[int, ...]) -> tuple[int, ...]:
    if right is Right.NONE:
        return (404,)
    return allowed if right >= needed else (403,)


@pytest.mark.parametrize("right", LADDER)
@pytest.mark.parametrize("page", PAGES)
def test_pages(live, ids, as_right, right, page):
    answer = as_right(right).get(APP + page.format(**ids))
    assert answer.status_code in _expected(right, PAGES[page], (200,))
    if right is Right.NONE:
        assert b"hello" not in answer.content


@pytest.mark.parametrize("right", LADDER)
@pytest.mark.parametrize("act", ACTS)
def test_acts(ids, as_right, right, act):
    form, needed = ACTS[act]
    before = _facts()
    answer = as_right(right).post(APP + act.format(**ids), form)
    assert answer.status_code in _expected(right, needed, (200, 302))
    if right < needed:
        assert _facts() == before
    else:
        assert b"You have the right" not in answer.content


@pytest.mark.parametrize("act", ACTS)
def test_a_look_changes_nothing(ids, alice, browser, act):
    before = _facts()
    assert browser(alice).get(APP + act.format(**ids)).status_code in (200, 405)
    assert _facts() == before


def test_unknown_and_foreign_are_the_same(live, bob, browser):
    bobs = browser(bob)
    foreign, unknown = bobs.get(APP), bobs.get("/dashboard/apps/missing")
    assert foreign.status_code == unknown.status_code == 404
    assert foreign.content == unknown.content == bobs.get("/dashboard/no/such").content


def test_the_list_has_only_what_one_may_see(live, alice, bob, admin, browser):
    for user, sees in ((alice, True), (bob, False), (admin, True)):
        assert (b"apps/hello" in browser(user).get("/dashboard/").content) is sees


STREAMS = ["/builds/{build}/events", "/releases/1/events", "/logs/events"]


@pytest.mark.parametrize("stream", STREAMS)
def test_streams_are_for_those_who_may_see_the_app(live, build, as_right, stream):
    answer = as_right(Right.NONE).get(APP + stream.format(build=build.id))
    assert answer.status_code == 204, "an EventSource does not try again"


BUTTONS = {
    "/builds/{build}": {"Cancel the build": Right.DEPLOY},
    "/releases": {"/config": Right.OPERATE, "/settings": Right.OPERATE},
    "/processes": {"Restart all": Right.OPERATE, "processes/scale": Right.OPERATE},
    "/access": {
        "access/add": Right.MANAGE,
        "{carol}/change": Right.MANAGE,
        "{carol}/remove": Right.MANAGE,
        "dave@example.org": Right.MANAGE,
    },
}


@pytest.mark.parametrize("right", LADDER[1:])
def test_buttons_are_for_those_who_may(ids, as_right, right):
    browser = as_right(right)
    for page, buttons in BUTTONS.items():
        content = browser.get(APP + page.format(**ids)).content.decode()
        for text, needed in buttons.items():
            assert (text.format(**ids) in content) is (right >= needed), (page, text)


@pytest.mark.parametrize("right", [Right.OPERATE, Right.MANAGE, Right.OWN])
def test_only_the_owner_is_offered_to_destroy(live, as_right, right):
    content = as_right(right).get(APP + "/settings").content.decode()
    assert ("Destroy the app" in content) is (right is Right.OWN)


@pytest.mark.parametrize("right", LADDER[1:])
def test_rolling_back_is_offered_to_operators(live, as_right, make_release, build, right):
    from apps.formation.change import roll_out_change

    roll_out_change(str(make_release(build, GREETING="ho").id))
    content = as_right(right).get(APP + "/releases").content.decode()
    assert ("/releases/1/rollback" in content) is (right >= Right.OPERATE)


def _facts() -> object:
    return (
        list(App.objects.values_list("name", "maintenance")),
        list(Release.objects.values_list("version", "state")),
        list(Build.objects.values_list("state", "cancel_requested_at")),
        list(App.objects.values_list("processes__type", "processes__quantity")),
        list(App.objects.values_list("processes__restarts")),
        list(Collaborator.objects.exclude(user__email="bob@example.org").values("user", "right")),
        list(Invitation.objects.values_list("email", "right")),
    )


def test_every_address_is_asked_for_by_everybody():
    """A new page without a row above fails here."""
    asked = {*PAGES, *ACTS, *STREAMS}
    rows = {re.sub(r"{\w+}|\b1\b", "*", row).removeprefix("/") for row in asked}
    assert _addresses(urlpatterns) - FOR_EVERYBODY == {f"apps/*/{row}" for row in rows if row}


def _addresses(patterns, prefix: str = "") -> set[str]:
    found = set()
    for one in patterns:
        route = prefix + str(one.pattern)
        if hasattr(one, "url_patterns"):
            found |= _addresses(one.url_patterns, re.sub(r"<[^>]*>", "*", route))
        elif route not in FOR_EVERYBODY:
            found.add(re.sub(r"<[^>]*>", "*", route))
    return found
