"""What there is to authorise: every HTTP route and every command, found and not listed."""

from __future__ import annotations

import re
from collections.abc import Iterator

from django.urls import URLPattern, URLResolver, get_resolver

from paas.api import api
from paas.cli.registry import _MODULE_OF

_CONVERTER = re.compile(r"<(?:\w+:)?(\w+)>")
PARAMETER_VALUE = re.compile(r"=[\w-]+}")
_NINJA_CONVERTER = re.compile(r"{\w+:(\w+)}")


def calls() -> set[str]:
    """Every operation of the API, hidden ones too, as `METHOD /path/{parameter}`."""
    found = set()
    for prefix, router in api._routers:
        for path, view in router.path_operations.items():
            route = _NINJA_CONVERTER.sub(r"{\1}", f"{prefix}{path}")
            found |= {f"{method} {route}" for op in view.operations for method in op.methods}
    return found


def documented_calls() -> set[str]:
    """Every operation of the OpenAPI document."""
    return {
        f"{method.upper()} {path}"
        for path, methods in api.get_openapi_schema()["paths"].items()
        for method in methods
    }


def plain_routes() -> set[str]:
    """Every Django URL pattern that is no operation of the API, as `/path/{parameter}`.

    Pages take sessions, not tokens: `tests/dashboard/test_policy.py` has them all.
    """
    operations = {call.partition(" ")[2] for call in calls()}
    routes = set(_routes(get_resolver().url_patterns, "/"))
    return {route for route in routes - operations if not route.startswith("/dashboard")}


def _routes(patterns: list[URLPattern | URLResolver], prefix: str) -> Iterator[str]:
    for one in patterns:
        route = prefix + str(one.pattern)
        if isinstance(one, URLResolver):
            yield from _routes(one.url_patterns, route)
        else:
            yield _CONVERTER.sub(r"{\1}", route)


def commands() -> set[str]:
    """Every command of `paas`."""
    return set(_MODULE_OF)
