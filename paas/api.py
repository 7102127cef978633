"""The REST API: every room's router, one error shape, one way in (a token, never a cookie)."""

from __future__ import annotations

import logging
from typing import Any

from django.http import HttpRequest, HttpResponse
from ninja import NinjaAPI
from ninja.errors import HttpError, ValidationError
from ninja.parser import Parser
from redis.exceptions import RedisError

from apps.accounts.api import router as accounts
from apps.accounts.auth import token_auth
from apps.accounts.errors import Refused
from apps.accounts.users_api import router as users
from apps.builds.api import router as builds
from apps.catalog.access_api import router as access
from apps.catalog.api import router as catalog
from apps.catalog.transfers_api import router as transfers
from apps.formation.api import router as formation
from apps.formation.internal import router as internal
from apps.logs.api import router as logs
from apps.releases.api import router as releases
from paas.runtimes.base import RuntimeFailure

logger = logging.getLogger(__name__)


class ObjectParser(Parser):
    """All our bodies are JSON objects; ninja alone would take `[]` for an empty one."""

    def parse_body(self, request: HttpRequest) -> dict[str, Any]:
        data = super().parse_body(request)
        if not isinstance(data, dict):
            raise HttpError(400, "The body must be a JSON object.")
        return data


api = NinjaAPI(
    parser=ObjectParser(),
    title="paas",
    version="3",
    description="Shaped after Heroku's Platform API v3.",
    auth=token_auth,
    docs_url=None,  # ninja's page loads scripts from elsewhere; paas/docs.py has ours
    openapi_url="/openapi.json",
)
for router in (
    accounts,
    users,
    catalog,
    access,
    transfers,
    builds,
    releases,
    formation,
    logs,
):
    api.add_router("", router)
api.add_router("/internal", internal)


def _answer(request: HttpRequest, status: int, kind: str, message: str) -> HttpResponse:
    response = api.create_response(request, {"id": kind, "message": message}, status=status)
    if status == 401:
        response["WWW-Authenticate"] = 'Basic realm="paas"'
    return response


@api.exception_handler(Refused)
def _refused(request: HttpRequest, error: Refused) -> HttpResponse:
    return _answer(request, error.status, error.id, error.message)


@api.exception_handler(RuntimeFailure)
def _runtime(request: HttpRequest, error: RuntimeFailure) -> HttpResponse:
    return _answer(request, 503, "unavailable", f"The runtime does not answer: {error}")


@api.exception_handler(RedisError)
def _redis(request: HttpRequest, error: RedisError) -> HttpResponse:
    return _answer(request, 503, "unavailable", "Redis does not answer. Try again in a moment.")


@api.exception_handler(HttpError)
def _http(request: HttpRequest, error: HttpError) -> HttpResponse:
    return _answer(request, error.status_code, "invalid_params", str(error))


@api.exception_handler(ValidationError)
def _invalid(request: HttpRequest, error: ValidationError) -> HttpResponse:
    return _answer(request, 422, "invalid_params", "; ".join(map(_one, error.errors)))


@api.exception_handler(Exception)
def _unexpected(request: HttpRequest, error: Exception) -> HttpResponse:
    logger.exception("%s %s failed", request.method, request.path)
    return _answer(
        request,
        500,
        "internal_server_error",
        "Something went wrong inside paas. logs/panel/web.log has the details.",
    )


def _one(problem: dict[str, Any]) -> str:
    """One of pydantic's problems in a line: where, and what."""
    where = ".".join(str(part) for part in problem.get("loc", ())[1:] if part != "body")
    return f"{where}: {problem.get('msg', 'is not valid')}".removeprefix(": ")
