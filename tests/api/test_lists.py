"""Lists cost the same few queries whatever their length, and have the shape they declare."""

from __future__ import annotations

import pytest
from django.test import Client

from apps.accounts.authorizations import issue
from apps.accounts.models import Authorization
from apps.builds.models import Build
from apps.catalog.api import AppOut
from apps.catalog.models import App
from apps.releases.api import ReleaseOut
from apps.releases.models import Config, Release

# The token takes one, an app that is named in the path one.
LISTS = {"/apps": (2, AppOut), "/apps/hello/releases": (3, ReleaseOut)}


@pytest.fixture
def get(alice):
    token = issue(alice).token
    headers = {"Authorization": f"Bearer {token}", "Host": "localhost"}
    Client().get("/apps", headers=headers)  # which notes the token's use
    return lambda path: Client().get(path, headers=headers)


def _fill(app: App, count: int) -> None:
    first = App.objects.count()
    App.objects.bulk_create(
        App(number=app.number + 1 + n, name=f"app-{n}", owner=app.owner)
        for n in range(first, first + count)
    )
    config = Config.objects.create(app=app, sealed="x")
    for version in range(first, first + count):
        build = Build.objects.create(
            app=app,
            user=app.owner if version % 2 else None,
            state="succeeded",
            commit=f"{version:040}",
            branch="main",
            artifact={"kind": "host"} if version % 3 else None,
        )
        Release.objects.create(
            app=app,
            version=version,
            config=config,
            build=build if version % 5 else None,
            user=build.user,
            state="succeeded" if version % 7 else "failed",
            failure=None if version % 7 else {"what": "x", "why": "y", "fix": "z"},
            description="Deploy",
        )


@pytest.mark.parametrize("path", LISTS)
def test_the_same_few_queries(get, hello, path, django_assert_num_queries):
    queries, _ = LISTS[path]
    for count in (1, 30):
        _fill(hello, count)
        with django_assert_num_queries(queries):
            assert len(get(path).json()) >= count


@pytest.mark.parametrize("path", LISTS)
def test_rows_are_what_one_of_them_is(get, hello, path):
    """Written apart from each other, a list's row and the single answer are the same."""
    _fill(hello, 10)
    _, shape = LISTS[path]
    rows = get(path).json()
    assert len(rows) >= 10
    for row in rows:
        assert shape.model_validate(row).model_fields_set == set(shape.model_fields)
        single = get(f"{path}/{row['id']}").json()
        if "output_stream_url" in row:  # signed, with the second it was made in
            del row["output_stream_url"], single["output_stream_url"]
        assert row == single


def test_a_revoked_token_ends_at_once(get):
    assert get("/apps").status_code == 200
    Authorization.objects.update(revoked_at="2026-01-01T00:00:00Z")
    assert get("/apps").status_code == 401
