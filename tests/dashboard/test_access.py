"""Access: adding, inviting, changing, leaving, and accepting an invitation in a browser."""

import re

import pytest
from asgiref.sync import async_to_sync

from apps.accounts.models import User
from apps.accounts.policy import Right
from apps.accounts.sessions import user_of
from apps.catalog import watching
from apps.catalog.models import Collaborator, Invitation
from tests.dashboard.conftest import Browser

ACCESS = "/dashboard/apps/hello/access"


@pytest.fixture
def alices(alice, browser, hello):
    return browser(alice)


@pytest.fixture
def link(alices) -> str:
    """The path of an invitation's page, as it was shown once."""
    page = alices.post(ACCESS + "/add", {"email": "new@example.org", "right": "deploy"})
    found = re.search(r"/dashboard/invitations/[\w-]{20,}", page.content.decode())
    assert found
    return found[0]


def test_a_user_is_added_changed_and_removed(alices, bob, hello):
    alices.post(ACCESS + "/add", {"email": " Bob@Example.org", "right": "view"})
    held = Collaborator.objects.get(app=hello)
    assert (held.user, held.right) == (bob, Right.VIEW)
    assert b"bob@example.org" in alices.get(ACCESS).content
    alices.post(f"{ACCESS}/{bob.id}/change", {"right": "operate"})
    held.refresh_from_db()
    assert held.right == Right.OPERATE
    alices.post(f"{ACCESS}/{bob.id}/remove")
    assert not Collaborator.objects.exists()


@pytest.mark.parametrize(
    ("form", "status"),
    [
        ({"email": "alice@example.org", "right": "view"}, 422),
        ({"email": "bob@example.org", "right": "own"}, 422),
        ({"email": "bob@example.org", "right": "root"}, 422),
        ({"email": "<script>alert(1)</script>", "right": "view"}, 422),
    ],
)
def test_what_cannot_be_given_is_told(alices, bob, form, status):
    answer = alices.post(ACCESS + "/add", form)
    assert answer.status_code == status and b'role="alert"' in answer.content
    assert b"<script>alert" not in answer.content
    assert not Collaborator.objects.exists() and not Invitation.objects.exists()


def test_a_collaborator_may_leave(as_right, bob):
    bobs = as_right(Right.VIEW)
    assert b"Leave" in bobs.get(ACCESS).content
    assert bobs.post(f"{ACCESS}/{bob.id}/remove").headers["Location"] == "/dashboard/"
    assert bobs.get(ACCESS).status_code == 404


def test_the_link_of_an_invitation_is_shown_once(alices, link):
    page = alices.get(ACCESS).content.decode()
    assert "new@example.org" in page and "/dashboard/invitations/" not in page


def test_accepting_makes_an_account_and_signs_in(link, hello):
    guest = Browser()
    assert b"invited" in guest.get(link).content
    weak = guest.post(link, {"password": "short", "name": "New"})
    assert weak.status_code == 422 and b'role="alert"' in weak.content
    guest.post(link, {"password": "a horse of another colour", "name": "New"})
    user = user_of(guest.session)
    assert user is not None and user.email == "new@example.org"
    assert hello.rights_of(user) is Right.DEPLOY
    assert guest.get("/dashboard/apps/hello").status_code == 200
    again = Browser().get(link)
    assert again.status_code == 401 and b"not valid" in again.content


def test_an_invitation_opens_no_account_that_exists(link):
    User.objects.create_user("new@example.org", "the password they have")
    guest = Browser()
    assert guest.post(link, {"password": "a horse of another colour"}).status_code == 401
    assert user_of(guest.session) is None
    guest.post(link, {"password": "the password they have"})
    assert user_of(guest.session) is not None


def test_a_revoked_link_is_worthless(alices, link):
    invitation = Invitation.objects.get()
    alices.post(f"/dashboard/apps/hello/invitations/{invitation.id}/revoke")
    assert Browser().get(link).status_code == 401


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("how", ["removed", "signed out", "deactivated", "password"])
def test_an_open_log_ends_with_the_right_to_see_it(
    as_right, bob, hello, settings, monkeypatch, how
):
    monkeypatch.setattr(watching, "RECHECK_SECONDS", 0.1)
    settings.REDIS_URL = "unix:///nowhere"
    (settings.INSTANCE.app_logs / str(hello.id)).mkdir(parents=True)
    bobs = as_right(Right.VIEW)
    stream = bobs.get("/dashboard/apps/hello/logs/events").streaming_content
    if how == "removed":
        Collaborator.objects.all().delete()
    elif how == "signed out":
        bobs.post("/dashboard/sign-out")
    elif how == "deactivated":
        User.objects.filter(pk=bob.pk).update(is_active=False)
    else:
        bob.set_password("quite another password")
        bob.save()

    async def rest() -> list[bytes]:
        return [part async for part in stream]

    assert b"event: end" in async_to_sync(rest)()[-1]
