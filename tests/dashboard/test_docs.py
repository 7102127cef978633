"""The page of the API: all of it, and nothing from elsewhere."""

import re

from django.test import Client

from paas.api import api
from paas.docs import operations


def test_every_operation_is_there(db):
    content = Client().get("/docs").content.decode()
    paths = api.get_openapi_schema()["paths"]
    shown = re.findall(r'class="method">(\w+)</span> <span class="mono break">([^<]+)<', content)
    wanted = [(m.upper(), path) for path, methods in paths.items() for m in methods]
    assert sorted(shown) == sorted(wanted) and len(shown) > 30


def test_bodies_and_answers_are_told():
    found = {f"{one.method} {one.path}": one for one in operations(api.get_openapi_schema())}
    create = found["POST /apps"]
    assert [(field.name, field.required) for field in create.body] == [
        ("name", False),
        ("deploy_branch", False),
    ]
    assert ("201", "AppOut") in create.answers and ("422", "ErrorOut") in create.answers
    assert found["GET /apps"].answers[0] == ("200", "list of AppOut")
    assert [field.name for field in found["GET /apps/{app}"].parameters] == ["app"]


def test_nothing_is_loaded_from_elsewhere(db):
    content = Client().get("/docs").content.decode()
    assert re.findall(r'(?:src|href)="(?!/|\?)([^"]*)"', content) == ["#main"]
