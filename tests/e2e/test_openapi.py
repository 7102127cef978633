"""The OpenAPI document against the running instance: what it declares is what is answered.

Requests are made up from the document itself; `tests/api/test_hostile.py`
adds what no document describes.
"""

from __future__ import annotations

import json

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from paas.api import api
from tests.e2e.world import running

LIVE, EMPTY = "openapi-live", "openapi-empty"
# Not among them: that what the schema does not allow is refused. Heroku's clients send 0 for
# false and "3600" for 3600, and are understood.
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    response_headers_conformance,
    unsupported_method,
]
CASES_AN_OPERATION = 8


document = schemathesis.openapi.from_dict(json.loads(json.dumps(api.get_openapi_schema())))


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """An instance of its own: wrong passwords by the dozen lock an address out."""
    with running(tmp_path_factory.mktemp("openapi")) as world:
        yield world


@pytest.fixture(scope="module")
def apps(world):
    """An app that is live and one that runs nothing."""
    folder = world.repository("procfile", LIVE)
    world.paas("create", LIVE, cwd=folder)
    world.git("push", "paas", "main", cwd=folder)
    world.api("POST", "/apps", {"name": EMPTY})


@document.hook("map_path_parameters")
def _name_real_things(context, parameters):
    """What only looks is asked about a live app, what changes about one that runs nothing.

    The apps are there afterwards, too.
    """
    method = context.operation.method.upper()
    if parameters and "app" in parameters and context.operation.path != "/apps/{app}":
        parameters["app"] = LIVE if method == "GET" else EMPTY
    known = {"release": "latest", "build": "latest", "dyno": "web.1", "type": "web", "user": "~"}
    if parameters and method == "GET":
        parameters |= {name: known[name] for name in parameters if name in known}
    return parameters


@document.parametrize()
@settings(
    max_examples=CASES_AN_OPERATION,
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_the_document_is_true(case, world, apps):
    token = json.loads((world.home / "credentials.json").read_text())["token"]
    case.call_and_validate(
        base_url=world.origin, headers={"Authorization": f"Bearer {token}"}, checks=CHECKS
    )


def test_the_instance_gives_this_document(world):
    assert json.loads(world.get("/openapi.json").body) == document.raw_schema


def test_calls_are_counted(world):
    token = json.loads((world.home / "credentials.json").read_text())["token"]
    answers = [world.get("/account", headers={"Authorization": f"Bearer {token}"}) for _ in "ab"]
    first, second = ({k.lower(): v for k, v in one.headers.items()} for one in answers)
    assert int(second["ratelimit-remaining"]) == int(first["ratelimit-remaining"]) - 1
    assert first["etag"] == second["etag"]
