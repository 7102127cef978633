"""The OpenAPI document: complete, stable, and only what is public."""

from __future__ import annotations

from collections import Counter
from typing import Any

from apps.accounts.schemas import ERRORS
from paas.api import api

DOCUMENT = api.get_openapi_schema()
OPERATIONS: dict[str, dict[str, Any]] = {
    f"{method.upper()} {path}": operation
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
}


def _schema(reference: dict[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = DOCUMENT["components"]["schemas"][reference["$ref"].rpartition("/")[2]]
    return found


def test_every_operation_has_a_name_of_its_own():
    names = Counter(operation["operationId"] for operation in OPERATIONS.values())
    assert not [name for name, times in names.items() if times > 1]
    assert not [name for name in names if "api" in name or not name.islower()]


def test_every_operation_declares_its_errors():
    for name, operation in OPERATIONS.items():
        declared = operation["responses"]
        assert set(ERRORS) <= set(declared), name
        for status in ERRORS:
            schema = declared[status]["content"]["application/json"]["schema"]
            assert schema == {"$ref": "#/components/schemas/ErrorOut"}, name


def test_every_success_has_a_schema():
    for name, operation in OPERATIONS.items():
        for status, response in operation["responses"].items():
            assert "application/json" in response["content"], (name, status)


def test_what_only_looks_at_lists_in_ranges_says_so():
    for name, operation in OPERATIONS.items():
        takes_range = any(one["name"] == "Range" for one in operation["parameters"])
        assert takes_range == (206 in operation["responses"]), name


def test_every_operation_but_coming_in_needs_a_token():
    assert DOCUMENT["components"]["securitySchemes"]["TokenAuth"]["scheme"] == "bearer"
    without = [name for name, operation in OPERATIONS.items() if not operation.get("security")]
    assert sorted(without) == ["POST /auth/login", "POST /invitations/actions/accept"]


def test_every_body_has_an_example():
    for name, operation in OPERATIONS.items():
        body = operation.get("requestBody")
        if body is None:
            continue
        schema = body["content"]["application/json"]["schema"]
        for part in [schema, *schema.get("anyOf", [])]:
            if "$ref" in part:
                schema = _schema(part)
        assert schema.get("examples"), name


def test_nothing_internal_is_public():
    assert not [name for name in OPERATIONS if "/internal" in name]
    assert "InternalAuth" not in str(DOCUMENT)
