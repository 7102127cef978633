"""Apps: names, ownership, who may see them."""

import pytest

from apps.accounts.policy import Actor, Right
from apps.catalog.manage import create_app
from apps.catalog.models import App, Collaborator
from apps.catalog.names import BRANCH_NAME, CONFIG_NAME, HOST_NAME, PROCESS_TYPE

METACHARACTERS = [
    "a;id", "a|id", "a&b", "a$(id)", "a`id`", "a b", "a\nb", "a\0b", "a'b", 'a"b', "a\\b",
    "../a", "a/b", "a..b", "-a", "--upload-pack=x", "a%00", "a*", "a?b", "a<b", "a>b", "a#b",
    "\uff41-wide", "a\u202eb", "", " ", "a" * 300,
]  # fmt: skip


@pytest.mark.parametrize("name", [*METACHARACTERS, "ab", "Hello", "1abc", "abc-", "hello\n"])
def test_bad_names_are_refused_with_the_rule(api, alice, name):
    status, body = api(alice)("POST", "/apps", {"name": name})
    if name == "":
        assert status == 201  # no name: one is made up
        return
    assert status == 422
    assert ("3 to 30" if "\0" not in name else "NUL") in body["message"]
    assert not App.objects.exists()


@pytest.mark.parametrize("name", ["internal", "api", "apps", "dashboard"])
def test_the_panels_own_paths_are_no_names(api, alice, name):
    assert api(alice)("POST", "/apps", {"name": name})[0] == 422


@pytest.mark.parametrize("grammar", [PROCESS_TYPE, CONFIG_NAME, BRANCH_NAME, HOST_NAME])
@pytest.mark.parametrize("text", [t for t in METACHARACTERS if t != "-a"])
def test_no_grammar_lets_metacharacters_pass(grammar, text):
    allowed = {"a/b": [BRANCH_NAME], "--upload-pack=x": [], "\uff41-wide": [PROCESS_TYPE]}
    if grammar not in allowed.get(text, []):
        assert not grammar.matches(text), text


def test_a_taken_name_is_told(api, alice, bob, hello):
    status, body = api(bob)("POST", "/apps", {"name": "hello"})
    assert status == 422
    assert "already taken" in body["message"]


def test_an_app_without_a_name_gets_one(api, alice):
    status, body = api(alice)("POST", "/apps", {})
    assert status == 201
    assert body["git_url"].endswith(f"/{body['name']}.git")


def test_numbers_are_never_used_again(alice):
    first = create_app(Actor(alice), "first-app")
    number = first.number
    first.delete()
    assert create_app(Actor(alice), "first-app").number > number


def test_strangers_get_404_not_403(api, bob, hello):
    for method, path in [("GET", "/apps/hello"), ("DELETE", "/apps/hello")]:
        status, body = api(bob)(method, path)
        assert (status, body["id"]) == (404, "not_found")
    assert api(bob)("GET", "/apps") == (200, [])


def test_a_stranger_cannot_tell_a_hidden_app_from_a_missing_one(api, bob, hello):
    assert api(bob)("GET", "/apps/hello") == api(bob)("GET", "/apps/missing")


def test_admins_see_everything(api, admin, hello):
    assert [app["name"] for app in api(admin)("GET", "/apps")[1]] == ["hello"]


@pytest.mark.parametrize(
    ("right", "status"), [(Right.VIEW, 403), (Right.DEPLOY, 403), (Right.OPERATE, 200)]
)
def test_rights_are_a_ladder(api, bob, hello, right, status):
    Collaborator.objects.create(app=hello, user=bob, right=right)
    call = api(bob)
    assert call("GET", "/apps/hello")[0] == 200
    assert call("GET", "/apps/hello/config-vars")[0] == status
    assert call("DELETE", "/apps/hello")[0] == 403


def test_apps_are_found_by_id_too(api, alice, hello):
    assert api(alice)("GET", f"/apps/{hello.id}")[1]["name"] == "hello"
