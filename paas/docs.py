"""`GET /docs`: the API's OpenAPI document as a plain page, without a script from elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from apps.dashboard.guard import secure
from paas.api import api

Json = Mapping[str, Any]


@dataclass(frozen=True)
class Field:
    """A parameter or a member of a body."""

    name: str
    type: str
    required: bool
    text: str = ""


@dataclass(frozen=True)
class Operation:
    """One method of one path."""

    tag: str
    method: str
    path: str
    summary: str
    text: str
    parameters: tuple[Field, ...]
    body: tuple[Field, ...]
    answers: tuple[tuple[str, str], ...]

    @property
    def anchor(self) -> str:
        return f"{self.method}-{self.path.strip('/').replace('/', '-')}".lower()


def docs(request: HttpRequest) -> HttpResponse:
    """Every operation with its parameters, body and answers, by tag."""
    document = api.get_openapi_schema()
    found = sorted(operations(document), key=lambda one: one.tag)
    groups = [(tag, list(group)) for tag, group in groupby(found, key=lambda one: one.tag)]
    context = {"groups": groups, "origin": settings.INSTANCE.origin}
    response = render(request, "docs.html", context)
    secure(response)
    return response


def operations(document: Json) -> list[Operation]:
    """All operations that programs of users may call."""
    return [
        _operation(document, path, method, facts)
        for path, methods in document["paths"].items()
        for method, facts in methods.items()
        if not path.startswith("/internal")
    ]


def _operation(document: Json, path: str, method: str, facts: Json) -> Operation:
    content = facts.get("requestBody", {}).get("content", {})
    body = content.get("application/json", {}).get("schema", {})
    return Operation(
        tag=next(iter(facts.get("tags", [])), "other"),
        method=method.upper(),
        path=path,
        summary=facts.get("summary", ""),
        text=facts.get("description", ""),
        parameters=tuple(
            Field(one["name"], _type(document, one["schema"]), bool(one.get("required")))
            for one in facts.get("parameters", ())
        ),
        body=_fields(document, body),
        answers=tuple(
            (str(status), _answer(document, answer))
            for status, answer in facts["responses"].items()
        ),
    )


def _fields(document: Json, schema: Json) -> tuple[Field, ...]:
    resolved = _resolved(document, schema)
    required = resolved.get("required", ())
    return tuple(
        Field(name, _type(document, facts), name in required, facts.get("description", ""))
        for name, facts in resolved.get("properties", {}).items()
    )


def _answer(document: Json, answer: Json) -> str:
    content = answer.get("content", {}).get("application/json", {})
    return _type(document, content["schema"]) if "schema" in content else "nothing"


def _type(document: Json, schema: Json) -> str:
    """A schema in a few words: "string", "list of AppOut", "integer or null"."""
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    for kind in ("anyOf", "oneOf", "allOf"):
        if kind in schema:
            return " or ".join(dict.fromkeys(_type(document, one) for one in schema[kind]))
    if schema.get("type") == "array":
        return f"list of {_type(document, schema.get('items', {}))}"
    return str(schema.get("format") or schema.get("type") or "any")


def _resolved(document: Json, schema: Json) -> Json:
    for one in (schema, *schema.get("anyOf", ())):
        if "$ref" in one:
            name = str(one["$ref"]).rpartition("/")[2]
            found: Json = document["components"]["schemas"][name]
            return found
    return schema
