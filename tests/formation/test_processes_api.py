"""One process type and one process by the API."""

from __future__ import annotations

import pytest

from apps.formation.change import roll_out_change
from apps.formation.models import Process


@pytest.fixture
def call(api, alice, hello, make_build, make_release):
    """Alice's calls; `hello` is deployed with web and worker."""
    roll_out_change(str(make_release(make_build()).id))
    return api(alice)


def test_one_process_type(call):
    status, web = call("GET", "/apps/hello/formation/web")
    assert (status, web["type"], web["quantity"], web["command"]) == (200, "web", 1, "serve")
    assert call("GET", f"/apps/hello/formation/{web['id']}") == (200, web)
    assert call("GET", "/apps/hello/formation/nothing")[0] == 404


def test_one_process_type_is_scaled(call):
    status, worker = call("PATCH", "/apps/hello/formation/worker", {"quantity": "+2"})
    assert (status, worker["quantity"]) == (200, 2)
    assert Process.objects.get(type="worker").quantity == 2
    assert call("PATCH", "/apps/hello/formation/web", {"quantity": "many"})[0] == 422
    assert call("PATCH", "/apps/hello/formation/nothing", {"quantity": 1})[0] == 404


def test_one_process(call):
    _, (web,) = call("GET", "/apps/hello/dynos")
    assert call("GET", "/apps/hello/dynos/web.1") == (200, web)
    assert call("GET", f"/apps/hello/dynos/{web['id']}") == (200, web)
    assert call("GET", "/apps/hello/dynos/web.2")[0] == 404


def test_what_is_stopped_is_replaced(call):
    assert call("POST", "/apps/hello/dynos/web.1/actions/stop") == (202, {})
    assert Process.objects.get(type="web").restarts == {"1": 1}
    assert call("POST", "/apps/hello/formations/web/actions/stop") == (202, {})
    assert Process.objects.get(type="web").restarts == {"1": 1, "": 1}
    assert call("POST", "/apps/hello/dynos/web.7/actions/stop")[0] == 404


def test_what_paas_lacks_says_what_to_do(call, bob, api):
    for path in ("addons", "log-drains", "webhooks", "sni-endpoints", "buildpack-installations"):
        assert call("GET", f"/apps/hello/{path}") == (200, [])
        assert api(bob)("GET", f"/apps/hello/{path}")[0] == 404
    status, refused = call("POST", "/apps/hello/addons", {"plan": "heroku-postgresql"})
    assert status == 422 and "paas config:set DATABASE_URL=" in refused["message"]
    assert call("GET", "/apps/hello/pipeline-couplings")[0] == 404


def test_where_and_on_what_apps_run(call):
    assert [region["name"] for region in call("GET", "/regions")[1]] == ["here"]
    assert [stack["name"] for stack in call("GET", "/stacks")[1]] == ["host"]
    sizes = {size["name"]: size["memory"] for size in call("GET", "/dyno-sizes")[1]}
    assert sizes["standard-2x"] == 1.0
