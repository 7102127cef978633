"""The panel's half of a push, as the gateway asks for it."""

import json

import pytest
from django.conf import settings
from django.test import Client

from apps.accounts.authorizations import issue
from apps.accounts.policy import Right
from apps.builds.models import Build, BuildState
from apps.catalog.models import Collaborator
from apps.formation.change import roll_out_change

pytestmark = pytest.mark.django_db(transaction=True)

COMMIT = "c" * 40


def internal(path, body, token=None):
    response = Client().post(
        f"/internal/git/{path}",
        json.dumps(body),
        content_type="application/json",
        headers={"Host": "panel", "Authorization": f"Bearer {token or settings.INTERNAL_TOKEN}"},
    )
    return response.status_code, response.json()


def access(app, user, service="git-receive-pack", **how):
    token = issue(user, **how).token
    return internal("access", {"app": app, "service": service, "token": token})


def push(app, user, commit=COMMIT):
    return internal(
        "pushes",
        {
            "app_id": str(app.id),
            "user_id": str(user.id),
            "commit": commit,
            "message": "A commit",
            "branch": "main",
        },
    )


def test_only_the_panels_own_parts_may_ask(hello, alice):
    body = {"app": "hello", "service": "git-upload-pack", "token": issue(alice).token}
    assert internal("access", body, token="guess")[0] == 401
    assert internal("access", body, token=issue(alice).token)[0] == 401


def test_the_owner_may_push(hello, alice):
    status, body = access("hello", alice)
    assert (status, body["app"], body["deploy_branch"]) == (200, "hello", "main")
    assert body["repository"].endswith(f"{hello.id}.git")


def test_a_stranger_cannot_tell_that_it_is_there(hello, bob):
    assert access("hello", bob) == access("missing", bob)
    assert access("hello", bob)[0] == 404


@pytest.mark.parametrize(
    ("right", "pull", "push_"), [(Right.VIEW, 200, 403), (Right.DEPLOY, 200, 200)]
)
def test_collaborators(hello, bob, right, pull, push_):
    Collaborator.objects.create(app=hello, user=bob, right=right)
    assert access("hello", bob, "git-upload-pack")[0] == pull
    assert access("hello", bob, "git-receive-pack")[0] == push_


def test_scopes_hold_for_git_too(hello, alice):
    assert access("hello", alice, scopes=["read"])[0] == 403
    assert access("hello", alice, "git-upload-pack", scopes=["read"])[0] == 200
    assert access("hello", alice, "git-upload-pack", scopes=["identity"])[0] == 403


@pytest.mark.parametrize("name", ["../x", "hello;id", "", "HELLO", "a" * 500, "hello\n"])
def test_odd_names_are_not_found(alice, hello, name):
    assert access(name, alice)[0] == 404


def test_a_second_push_is_refused_at_once(hello, alice):
    assert push(hello, alice)[0] == 201
    status, body = push(hello, alice, "d" * 40)
    assert status == 409
    assert "builds:cancel" in body["message"] and COMMIT[:8] in body["message"]


def test_what_is_live_is_not_built_again(hello, alice, make_build, make_release):
    roll_out_change(str(make_release(make_build(COMMIT)).id))
    status, body = push(hello, alice)
    assert (status, body["live"]) == (200, "v1")


def test_starting_twice_is_starting_once(hello, alice):
    _, body = push(hello, alice)
    for _ in range(2):
        assert internal(f"pushes/{body['build_id']}/start", {})[0] == 202
    build = Build.objects.get()
    assert build.state == BuildState.PENDING and build.queued_at


def test_an_abandoned_push_makes_room(hello, alice):
    _, body = push(hello, alice)
    reason = {"reason": "git archive failed"}
    assert internal(f"pushes/{body['build_id']}/abandon", reason)[0] == 200
    assert Build.objects.get().state == BuildState.FAILED
    assert push(hello, alice, "d" * 40)[0] == 201


def test_who_left_is_told_at_the_next_push_once(hello, alice):
    _, body = push(hello, alice)
    build_id = body["build_id"]
    internal(f"pushes/{build_id}/abandon", {"reason": "git archive failed"})
    internal(f"pushes/{build_id}/end", {"delivered": False})
    _, body = push(hello, alice, "d" * 40)
    assert "after you had left" in body["notices"][0]
    internal(f"pushes/{body['build_id']}/abandon", {"reason": "x"})
    internal(f"pushes/{body['build_id']}/end", {"delivered": True})
    assert push(hello, alice, "e" * 40)[1]["notices"] == []
