"""Heroku's manners: ranges, request ids, entity tags, versions, errors."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.test import Client

from apps.accounts.authorizations import issue
from apps.catalog.models import App


@pytest.fixture
def get(alice):
    """GET with Alice's token and these headers."""
    token = issue(alice).token

    def get(path: str, **headers: str) -> Any:
        return Client().get(
            path, headers={"Authorization": f"Bearer {token}", "Host": "localhost"} | headers
        )

    return get


@pytest.fixture
def apps(alice):
    """Five of Alice's apps, app-0 to app-4."""
    return App.objects.bulk_create(
        App(number=number, name=f"app-{number}", owner=alice) for number in range(5)
    )


def names(response) -> list[str]:
    return [app["name"] for app in response.json()]


def test_a_list_that_fits_is_whole(get, apps):
    whole = get("/apps")
    assert whole.status_code == 200 and "Next-Range" not in whole
    assert names(whole) == [f"app-{number}" for number in range(5)]
    assert whole["Content-Range"] == "name app-0..app-4; max=200, order=asc"
    assert whole["Accept-Ranges"] == "name, id"


def test_an_empty_list_has_no_content_range(get):
    assert "Content-Range" not in get("/apps")


@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("by", ["name", "id"])
def test_following_next_range_gives_each_once(get, apps, by, order):
    seen, header, statuses = [], f"{by} ..; max=2, order={order}", []
    while header:
        response = get("/apps", Range=header)
        seen += [app[by] for app in response.json()]
        statuses.append(response.status_code)
        header = response.get("Next-Range")
    assert seen == sorted((str(getattr(app, by)) for app in apps), reverse=order == "desc")
    assert statuses == [206, 206, 200]


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("name app-1..app-3", [1, 2, 3]),
        ("name ]app-1..app-3", [2, 3]),
        ("name app-1..app-3[", [1, 2]),
        ("name app-3..", [3, 4]),
        ("name ..app-1", [0, 1]),
        ("name app-3..app-1; order=desc", [3, 2, 1]),
        ("name ..; order=desc,max=1", [4]),
        ("name ..; order=asc,max=1;", [0]),
        ("name ..;max=1 , order=desc", [4]),
        ("bytes=0-99", [0, 1, 2, 3, 4]),
        ("", [0, 1, 2, 3, 4]),
    ],
)
def test_ranges(get, apps, header, expected):
    assert names(get("/apps", Range=header)) == [f"app-{number}" for number in expected]


def test_the_upper_bound_stays_while_paging(get, apps):
    first = get("/apps", Range="name ..app-3; max=2")
    assert first["Next-Range"] == "name ]app-1..app-3; max=2, order=asc"
    assert names(get("/apps", Range=first["Next-Range"])) == ["app-2", "app-3"]


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ("name", "is no range"),
        ("owner ..", "no order by 'owner'"),
        ("id x..", "no value of id"),
        ("name ..; max=0", "1 to 1000"),
        ("name ..; max=1001", "1 to 1000"),
        ("name ..; max=99999999999999", "1 to 1000"),
        ("name ..; order=up", "asc or desc"),
        ("name ..; size=3", "options"),
    ],
)
def test_ranges_that_are_none(get, apps, header, said):
    response = get("/apps", Range=header)
    assert response.status_code == 416
    assert response.json()["id"] == "requested_range_not_satisfiable"
    assert said in response.json()["message"]


def test_versions_that_no_release_can_have(get, hello):
    for version in ("9" * 30, "-1", "v1"):
        assert get("/apps/hello/releases", Range=f"version {version}..").status_code == 416


def test_one_sees_ones_own_apps_only(get, apps, bob, api):
    assert names(get("/users/~/apps")) == names(get("/users/alice@example.org/apps"))
    assert get("/users/bob@example.org/apps").status_code == 404
    assert api(bob)("GET", "/users/~/apps") == (200, [])


def test_an_admin_lists_all_but_has_their_own(api, admin, apps):
    assert len(api(admin)("GET", "/apps")[1]) == 5
    assert api(admin)("GET", "/users/~/apps") == (200, [])


def test_the_request_id_is_new_and_keeps_the_callers(get):
    mine = str(uuid.uuid4())
    first, second = (get("/apps", **{"Request-Id": f"{mine}, <script>,x"}) for _ in range(2))
    new, echoed = first["Request-Id"].split(",")
    assert echoed == mine and uuid.UUID(new)
    assert second["Request-Id"] != first["Request-Id"]
    assert len(get("/apps", **{"Request-Id": ",".join([mine] * 200)})["Request-Id"]) < 1000


def test_what_has_not_changed_is_not_sent_again(get, hello):
    tag = get("/apps/hello")["ETag"]
    assert get("/apps/hello", **{"If-None-Match": tag}).status_code == 304
    App.objects.update(maintenance=True)
    assert get("/apps/hello", **{"If-None-Match": tag}).status_code == 200


@pytest.mark.parametrize(
    ("accept", "status"),
    [
        ("application/vnd.heroku+json; version=3", 200),
        ("application/vnd.heroku+json; version=3.sdk", 200),
        ("application/vnd.heroku+json;version=2", 406),
        ("application/vnd.heroku+json; version=30", 406),
        ("application/json", 200),
        ("text/html", 200),
        ("*/*", 200),
    ],
)
def test_versions(get, accept, status):
    response = get("/apps", Accept=accept)
    assert response.status_code == status
    assert status == 200 or response.json()["id"] == "not_acceptable"


def test_errors_have_herokus_words(get):
    assert get("/apps/nobody").json() == {"id": "not_found", "message": "Couldn't find that app."}
    assert get("/nothing/here").json()["id"] == "not_found"
    assert get("/apps/%00").json()["id"] == "not_found"
    wrong = Client().post("/account", headers={"Host": "localhost"})
    assert wrong.status_code == 405 and wrong["Allow"] == "GET"
    assert wrong.json()["id"] == "method_not_allowed"
