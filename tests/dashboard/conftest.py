"""People with sessions, and an app of Alice's that is live on the null runtime."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client

from apps.accounts.models import User
from apps.accounts.policy import Right
from apps.accounts.sessions import sign_in
from apps.builds.models import Build
from apps.catalog.models import App, Collaborator
from apps.formation.change import roll_out_change
from apps.releases.models import Release
from tests.formation.conftest import make_build, make_release, null

__all__ = ["make_build", "make_release", "null"]

PASSWORD = "correct horse battery"


@pytest.fixture(autouse=True)
def quiet(memory_cache, monkeypatch) -> None:
    """No messages: there is no Redis beside these tests."""
    monkeypatch.setattr("apps.formation.queue._send", lambda task, key: None)


class Browser(Client):
    """A browser whose requests come from the panel's own pages."""

    def __init__(self, **how: bool) -> None:
        super().__init__(headers={"Host": "localhost", "Sec-Fetch-Site": "same-origin"}, **how)

    def enter(self, user: User) -> Browser:
        session = self.session
        sign_in(session, user.email, PASSWORD, client="test")
        session.save()
        self.cookies[_cookie()] = session.session_key
        return self


def _cookie() -> str:
    from django.conf import settings

    return str(settings.SESSION_COOKIE_NAME)


@pytest.fixture
def browser(db) -> Callable[[User], Browser]:
    """`browser(user)` has signed in."""
    return lambda user: Browser().enter(user)


@pytest.fixture
def live(hello: App, make_build, make_release, null) -> Release:
    """v1 of Alice's app, current and up, with two config vars."""
    release = make_release(make_build(), SECRET="s3cret-value", GREETING="hi")
    roll_out_change(str(release.id))
    release.refresh_from_db()
    return release


@pytest.fixture
def build(live: Release) -> Build:
    assert live.build is not None
    return live.build


@pytest.fixture
def as_right(alice: User, bob: User, hello: App, browser) -> Callable[[Right], Browser]:
    """Bob with a right on Alice's app, in a browser; or Alice, who owns it."""

    def make(right: Right) -> Browser:
        if right is Right.OWN:
            return browser(alice)
        if right:
            Collaborator.objects.create(app=hello, user=bob, right=right)
        return browser(bob)

    return make
