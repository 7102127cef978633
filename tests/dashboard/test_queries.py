"""A page costs the same few queries, however much it shows."""

import pytest
from django.utils import timezone

from apps.accounts.policy import Actor, Right
from apps.activity.record import record
from apps.builds.models import Build, BuildState
from apps.catalog.manage import create_app
from apps.catalog.models import Collaborator
from apps.releases.models import Release

APP = "/dashboard/apps/hello"
# Session and user take two; an app's frame five: the app, the right (for the door and for the
# buttons), releases, builds.
QUERIES = {
    "/dashboard/": 6,
    APP: 17,
    APP + "/builds": 10,
    APP + "/builds/{build}": 9,
    APP + "/releases": 9,
    APP + "/releases/1": 9,
    APP + "/releases/1/rollback": 9,
    APP + "/config": 8,
    APP + "/processes": 14,
    APP + "/logs": 9,
    APP + "/settings": 7,
}


@pytest.fixture
def bobs(bob, hello, browser):
    Collaborator.objects.create(app=hello, user=bob, right=Right.OPERATE)
    return browser(bob)


@pytest.mark.parametrize("page", QUERIES)
def test_few(live, build, bobs, page, django_assert_max_num_queries):
    bobs.get(page.format(build=build.id))
    with django_assert_max_num_queries(QUERIES[page]):
        assert bobs.get(page.format(build=build.id)).status_code == 200


@pytest.mark.parametrize("page", QUERIES)
def test_the_same_for_more(alice, bob, live, build, bobs, page, django_assert_num_queries):
    address = page.format(build=build.id)
    bobs.get(address)
    before = _count(bobs, address)
    _fill(alice, bob, live, build)
    with django_assert_num_queries(before):
        bobs.get(address)


def _count(browser, address: str) -> int:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    with CaptureQueriesContext(connection) as found:
        browser.get(address)
    return len(found)


def _fill(alice, bob, live: Release, build: Build) -> None:
    """More of everything: apps, releases, builds, activity, process types."""
    for number in range(5):
        app = create_app(Actor(alice), f"app-{number}")
        Collaborator.objects.create(app=app, user=bob, right=Right.VIEW)
        _release(app, build=None, version=1, config=live.config, current=True)
        Build.objects.create(app=app, user=alice, commit="d" * 40, branch="main")
        record("app.create", actor_id=alice.id, actor=str(alice), app_id=live.app_id)
    for number in range(2, 12):
        made = Build.objects.create(
            app=live.app,
            user=alice,
            commit=f"{number:040}",
            branch="main",
            state=BuildState.SUCCEEDED,
            plan=build.plan,
            artifact=build.artifact,
            finished_at=timezone.now(),
        )
        _release(live.app, build=made, version=number, config=live.config, user=alice)


def _release(app, **fields) -> None:
    Release.objects.create(app=app, state="succeeded", description="Deploy", **fields)
