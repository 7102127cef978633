"""Config, rollback, scale, restart, maintenance, destroy over the API."""

import pytest

from apps.catalog.models import App
from apps.formation.change import roll_out_change
from apps.formation.destroy import remove
from apps.formation.models import Removal
from apps.releases.models import Release
from apps.source.repositories import ensure_repository, repository_path

pytestmark = pytest.mark.django_db(transaction=True)


def _finish(version):
    roll_out_change(str(Release.objects.get(version=version).id))


@pytest.fixture
def live(hello, make_build, make_release):
    """v1 of hello runs."""
    release = make_release(make_build("a" * 40), GREETING="hello")
    _finish(1)
    return release


def test_config_set_makes_one_release(api, alice, hello):
    call = api(alice)
    status, body = call("PATCH", "/apps/hello/config-vars", {"A": "1", "B": "2"})
    assert (status, body) == (200, {"A": "1", "B": "2"})
    _finish(1)
    _, releases = call("GET", "/apps/hello/releases")
    assert [one["description"] for one in releases] == ["Set A, B config vars"]


def test_null_unsets(api, alice, hello):
    call = api(alice)
    call("PATCH", "/apps/hello/config-vars", {"A": "1", "B": "2"})
    _finish(1)
    assert call("PATCH", "/apps/hello/config-vars", {"A": None}) == (200, {"B": "2"})
    _finish(2)
    assert call("GET", "/apps/hello/config-vars") == (200, {"B": "2"})
    assert call("GET", "/apps/hello/releases/1/config-vars") == (200, {"A": "1", "B": "2"})


def test_setting_what_is_set_makes_no_release(api, alice, hello):
    call = api(alice)
    call("PATCH", "/apps/hello/config-vars", {"A": "1"})
    _finish(1)
    assert call("PATCH", "/apps/hello/config-vars", {"A": "1"})[0] == 200
    assert Release.objects.count() == 1


@pytest.mark.parametrize(
    "body",
    [{}, {"1A": "x"}, {"A B": "x"}, {"A;B": "x"}, {"": "x"}, {"A": "\0"}, {"PORT": "1"}, {"A": 1}],
)
def test_bad_config_is_refused(api, alice, hello, body):
    status, answer = api(alice)("PATCH", "/apps/hello/config-vars", body)
    assert status == 422 and answer["message"]
    assert not Release.objects.exists()


def test_rollback_brings_back_code_and_config(api, alice, hello, live, make_build, make_release):
    make_release(make_build("b" * 40), GREETING="broken")
    _finish(2)
    status, body = api(alice)("POST", "/apps/hello/releases", {"release": "v1"})
    assert (status, body["version"], body["description"]) == (201, 3, "Rollback to v1")
    _finish(3)
    third = Release.objects.get(version=3)
    assert third.current and third.build == live.build
    assert api(alice)("GET", "/apps/hello/config-vars")[1] == {"GREETING": "hello"}


def test_there_is_no_rollback_to_a_release_without_code(api, alice, hello):
    call = api(alice)
    call("PATCH", "/apps/hello/config-vars", {"A": "1"})
    _finish(1)
    status, body = call("POST", "/apps/hello/releases", {"release": "v1"})
    assert status == 422 and "no code" in body["message"]
    assert call("POST", "/apps/hello/releases", {"release": "v9"})[0] == 404


@pytest.mark.parametrize(
    ("quantity", "expected"), [(2, 2), ("2", 2), ("+1", 2), ("-1", 0), ("+0", 1)]
)
def test_scaling(api, alice, hello, live, quantity, expected):
    updates = {"updates": [{"type": "web", "quantity": quantity, "size": "Standard-2X"}]}
    status, rows = api(alice)("PATCH", "/apps/hello/formation", updates)
    web = next(row for row in rows if row["type"] == "web")
    assert (status, web["quantity"], web["size"]) == (200, expected, "standard-2x")


@pytest.mark.parametrize("quantity", ["-2", "x", "", "1.5", "99999", "²", -1])
def test_bad_quantities_are_refused(api, alice, hello, live, quantity):
    updates = {"updates": [{"type": "web", "quantity": quantity}]}
    assert api(alice)("PATCH", "/apps/hello/formation", updates)[0] == 422


def test_all_updates_or_none(api, alice, hello, live):
    call = api(alice)
    updates = [{"type": "web", "quantity": 3}, {"type": "nothing", "quantity": 1}]
    assert call("PATCH", "/apps/hello/formation", {"updates": updates})[0] == 404
    rows = {row["type"]: row["quantity"] for row in call("GET", "/apps/hello/formation")[1]}
    assert rows == {"web": 1, "worker": 0}


def test_restart_of_what_is_not_there_is_told(api, alice, hello, live):
    call = api(alice)
    assert call("DELETE", "/apps/hello/dynos/web.1")[0] == 202
    assert call("DELETE", "/apps/hello/dynos/web.9")[0] == 404
    assert call("DELETE", "/apps/hello/dynos/..%2fx")[0] == 404
    assert call("DELETE", "/apps/hello/dynos")[0] == 202


def test_maintenance_is_a_switch(api, alice, hello, live):
    call = api(alice)
    assert call("PATCH", "/apps/hello", {"maintenance": True})[1]["maintenance"] is True
    assert call("PATCH", "/apps/hello", {"maintenance": True})[1]["maintenance"] is True
    assert call("PATCH", "/apps/hello", {"maintenance": False})[1]["maintenance"] is False


def test_destroy_leaves_nothing(api, alice, hello, live, null):
    ensure_repository(hello.id)
    assert api(alice)("DELETE", "/apps/hello")[0] == 200
    assert not App.objects.exists() and not Release.objects.exists()
    assert api(alice)("GET", "/apps/hello")[0] == 404
    remove(str(hello.id))
    assert null.observe() == []
    assert not repository_path(hello.id).exists()
    assert not Removal.objects.exists()
    remove(str(hello.id))
