"""Every operation of the public document, asked what nobody should: a declared 4xx in our shape."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from django.test import Client

from apps.accounts.authorizations import issue
from apps.releases.create import create_release
from paas.api import api

DOCUMENT = api.get_openapi_schema()

UUIDS = {
    "{" + parameter["name"] + "}"
    for methods in DOCUMENT["paths"].values()
    for operation in methods.values()
    for parameter in operation["parameters"]
    if parameter["schema"].get("format") == "uuid"
}
VALUES: list[Any] = [
    None,
    True,
    -1,
    10**30,
    1e308,
    "",
    "\0",
    "\ud800",
    "x" * 70_000,
    "../../etc/passwd",
    "$(id); `id` | id && id",
    "<script>alert(1)</script>",
    "'; DROP TABLE accounts_user; --",
    ["a", {"b": []}],
    {"a": {"b": 1}},
]
BODIES: dict[str, tuple[bytes, str]] = {
    "no JSON": (b"{", "application/json"),
    "no UTF-8": (b'{"name": "\xff\xfe"}', "application/json"),
    "a list": (b"[]", "application/json"),
    "a number": (b"1", "application/json"),
    "NaN": (b'{"name": NaN}', "application/json"),
    "a number without end": (b'{"name": ' + b"9" * 5000 + b"}", "application/json"),
    "too deep": (b"[" * 100_000, "application/json"),
    "a form": (b"name=x", "application/x-www-form-urlencoded"),
    "text": (b'{"name": "x"}', "text/plain"),
    "too large": (b'{"name": "' + b"x" * 3_000_000 + b'"}', "application/json"),
}
SEGMENTS = ["%00", "%ff", "a%0ab", "x" * 3000, "-1", "9" * 40, "%F0%9F%92%A9", "~", "*"]


def operations(wanted: Callable[[str, str, dict[str, Any]], object]) -> pytest.MarkDecorator:
    """Parametrizes a test by the operations that are `wanted`."""
    return pytest.mark.parametrize(
        ("method", "path", "operation"),
        [
            pytest.param(method.upper(), path, operation, id=operation["operationId"])
            for path, methods in DOCUMENT["paths"].items()
            for method, operation in methods.items()
            if wanted(method, path, operation)
        ],
    )


def _takes_a_body(method: str, path: str, operation: dict[str, Any]) -> bool:
    return "requestBody" in operation


def _fields(operation: dict[str, Any]) -> list[str]:
    content = operation.get("requestBody", {}).get("content", {})
    schema = content.get("application/json", {}).get("schema", {})
    for part in [schema, *schema.get("anyOf", [])]:
        if "$ref" in part:
            name = part["$ref"].rpartition("/")[2]
            return list(DOCUMENT["components"]["schemas"][name].get("properties", {}))
    return ["A"] if schema else []


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch):
    """No worker finishes a release here: whoever would wait for one gives up at once."""
    impatient = partial(create_release, wait=0.0)
    monkeypatch.setattr("apps.formation.change.create_release", impatient)


@pytest.fixture
def ask(alice, hello):
    """Asks as the owner of `hello` and checks that the answer is a declared one, in shape."""
    headers = {"Authorization": f"Bearer {issue(alice).token}", "Host": "localhost"}

    def ask(method: str, path: str, operation: dict[str, Any], body: bytes = b"", **how: Any):
        kind = how.pop("content_type", "application/json")
        response = Client(raise_request_exception=False).generic(
            method, path, body, kind, headers=headers | how
        )
        said = f"{method} {path[:200]} {body[:200]!r} {how} -> {response.status_code}"
        assert response.status_code < 500, said
        assert response.status_code in map(int, operation["responses"]), said
        assert response["Content-Type"].startswith("application/json"), said
        if response.status_code >= 400:
            assert set(response.json()) == {"id", "message"}, said
        return response

    return ask


def _path(path: str, *, other: str = "x") -> str:
    """`path` of the app `hello`; ids are well-formed, all else is `other`."""
    known = {"{app}": "hello", **dict.fromkeys(UUIDS, "00000000-0000-0000-0000-000000000000")}
    parts = (known.get(part, other if "{" in part else part) for part in path.split("/"))
    return "/".join(parts)


@operations(_takes_a_body)
def test_hostile_bodies(ask, method, path, operation):
    for body, kind in BODIES.values():
        response = ask(method, _path(path), operation, body, content_type=kind)
        assert 400 <= response.status_code < 500


@operations(_takes_a_body)
def test_hostile_values(ask, method, path, operation):
    for field in _fields(operation):
        for value in VALUES:
            ask(method, _path(path), operation, json.dumps({field: value}).encode())


@operations(lambda method, path, operation: "{" in path)
def test_hostile_paths(ask, method, path, operation):
    for segment in SEGMENTS:
        ask(method, _path(path, other=segment), operation)
        if "{app}" in path:
            response = ask(
                method, path.replace("{app}", segment).replace("{", "").replace("}", ""), operation
            )
            assert 400 <= response.status_code < 500


@operations(lambda method, path, operation: method == "get")
def test_hostile_headers(ask, method, path, operation):
    for value in (
        "id",
        "id ..; max=0",
        "id ..; max=1e9",
        "id \0..",
        "nothing ..",
        "id x..",
        ";",
        "..",
        "id ..; order=up",
    ):
        ask(method, _path(path), operation, Range=value)
    for value in ("application/vnd.heroku+json; version=2", "text/html", "\xff", "*/*;q=x"):
        ask(method, _path(path), operation, Accept=value)


def test_a_method_that_is_none_of_it(ask):
    for path in DOCUMENT["paths"]:
        operation = {"responses": {"405": None, "401": None}}
        response = ask("PROPFIND", _path(path), operation)
        assert response.status_code == 405 and response["Allow"]
