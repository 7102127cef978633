"""Who sees which page and button, and that the verb behind a hidden one refuses all the same."""

import pytest

from apps.accounts.policy import Right
from apps.builds.models import Build, BuildState
from apps.catalog.models import App
from apps.releases.models import Release

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
    "/settings/destroy": ({"confirm": "hello"}, Right.MANAGE),
}
LADDER = [Right.NONE, Right.VIEW, Right.DEPLOY, Right.OPERATE, Right.MANAGE]


@pytest.fixture
def going_on(build) -> Build:
    """The build, as if it were not done: it can be cancelled."""
    Build.objects.filter(pk=build.pk).update(state=BuildState.BUILDING)
    return build


def _expected(right: Right, needed: Right, allowed: tuple[int, ...]) -> tuple[int, ...]:
    if right is Right.NONE:
        return (404,)
    return allowed if right >= needed else (403,)


@pytest.mark.parametrize("right", LADDER)
@pytest.mark.parametrize("page", PAGES)
def test_pages(live, build, as_right, right, page):
    answer = as_right(right).get(APP + page.format(build=build.id))
    assert answer.status_code in _expected(right, PAGES[page], (200,))
    if right is Right.NONE:
        assert b"hello" not in answer.content


@pytest.mark.parametrize("right", LADDER)
@pytest.mark.parametrize("act", ACTS)
def test_acts(going_on, as_right, right, act):
    form, needed = ACTS[act]
    before = _facts()
    answer = as_right(right).post(APP + act.format(build=going_on.id), form)
    assert answer.status_code in _expected(right, needed, (200, 302))
    if right < needed:
        assert _facts() == before
    else:
        assert b"You have the right" not in answer.content


@pytest.mark.parametrize("act", ACTS)
def test_a_look_changes_nothing(going_on, alice, browser, act):
    before = _facts()
    assert browser(alice).get(APP + act.format(build=going_on.id)).status_code in (200, 405)
    assert _facts() == before


def test_unknown_and_foreign_are_the_same(live, bob, browser):
    bobs = browser(bob)
    foreign, unknown = bobs.get(APP), bobs.get("/dashboard/apps/missing")
    assert foreign.status_code == unknown.status_code == 404
    assert foreign.content == unknown.content == bobs.get("/dashboard/no/such").content


def test_the_list_has_only_what_one_may_see(live, alice, bob, admin, browser):
    for user, sees in ((alice, True), (bob, False), (admin, True)):
        assert (b"apps/hello" in browser(user).get("/dashboard/").content) is sees


@pytest.mark.parametrize("stream", ["/builds/{build}/events", "/releases/1/events", "/logs/events"])
def test_streams_are_for_those_who_may_see_the_app(live, build, as_right, stream):
    answer = as_right(Right.NONE).get(APP + stream.format(build=build.id))
    assert answer.status_code == 204, "an EventSource does not try again"


BUTTONS = {
    "/builds/{build}": {"Cancel the build": Right.DEPLOY},
    "/releases": {"/config": Right.OPERATE, "/settings": Right.OPERATE},
    "/processes": {"Restart all": Right.OPERATE, "processes/scale": Right.OPERATE},
}


@pytest.mark.parametrize("right", LADDER[1:])
def test_buttons_are_for_those_who_may(going_on, as_right, right):
    browser = as_right(right)
    for page, buttons in BUTTONS.items():
        content = browser.get(APP + page.format(build=going_on.id)).content.decode()
        for text, needed in buttons.items():
            assert (text in content) is (right >= needed), (page, text)


@pytest.mark.parametrize("right", [Right.OPERATE, Right.MANAGE])
def test_only_who_manages_is_offered_to_destroy(live, as_right, right):
    content = as_right(right).get(APP + "/settings").content.decode()
    assert ("Destroy the app" in content) is (right is Right.MANAGE)


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
    )
