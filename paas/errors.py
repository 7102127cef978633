"""Every error as the API gives it: `{"id", "message"}`, whatever has raised it and where."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from django.core.exceptions import RequestDataTooBig
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from ninja import NinjaAPI
from ninja.errors import HttpError, ValidationError
from redis.exceptions import RedisError

from apps.accounts.errors import Refused
from paas.runtimes.base import RuntimeFailure

logger = logging.getLogger(__name__)

DATABASE_AWAY = "The database does not answer. Try again in a moment; logs/panel/web.log says why."
_INSIDE = "Something went wrong inside paas. logs/panel/web.log has the details."


def handle_errors(api: NinjaAPI) -> None:
    """Let `api` answer all that its views raise."""
    answers: dict[type[Exception], Callable[..., HttpResponse]] = {
        Refused: _refused,
        RuntimeFailure: _runtime,
        RedisError: _redis,
        OperationalError: _database,
        InterfaceError: _database,
        HttpError: _http,
        ValidationError: _invalid,
        RequestDataTooBig: _too_big,
        Exception: _unexpected,
    }
    for kind, answer in answers.items():
        api.add_exception_handler(kind, answer)


def error_response(
    status: int, kind: str, message: str, headers: Mapping[str, str] | None = None
) -> HttpResponse:
    return JsonResponse({"id": kind, "message": message}, status=status, headers=headers)


def refused_response(error: Refused) -> HttpResponse:
    headers = {"WWW-Authenticate": 'Basic realm="paas"'} if error.status == 401 else None
    return error_response(error.status, error.id, error.message, headers)


def method_not_allowed(response: HttpResponseBase) -> HttpResponse:
    """Django's and ninja's 405 in our shape."""
    allowed = ", ".join(sorted(response.headers.get("Allow", "").split(", ")))
    message = f"This can only be asked by: {allowed}."
    return error_response(405, "method_not_allowed", message, {"Allow": allowed})


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    return error_response(400, "bad_request", "The request is not one that can be answered.")


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return error_response(404, "not_found", "There is nothing here.")


def server_error(request: HttpRequest) -> HttpResponse:
    return error_response(500, "internal_server_error", _INSIDE)


def _refused(request: HttpRequest, error: Refused) -> HttpResponse:
    return refused_response(error)


def _runtime(request: HttpRequest, error: RuntimeFailure) -> HttpResponse:
    return error_response(503, "unavailable", f"The runtime does not answer: {error}")


def _redis(request: HttpRequest, error: RedisError) -> HttpResponse:
    message = "Redis does not answer. Try again in a moment."
    return error_response(503, "unavailable", message)


def _database(request: HttpRequest, error: Exception) -> HttpResponse:
    logger.error("%s %s: %s", request.method, request.path, error)
    return error_response(503, "unavailable", DATABASE_AWAY)


def _http(request: HttpRequest, error: HttpError) -> HttpResponse:
    """Ninja's own, among them what it makes of a body that could not be parsed."""
    if isinstance(error.__cause__, Refused):
        return _refused(request, error.__cause__)
    return error_response(error.status_code, "bad_request", str(error))


def _invalid(request: HttpRequest, error: ValidationError) -> HttpResponse:
    return error_response(422, "invalid_params", "; ".join(map(_one, error.errors)))


def _too_big(request: HttpRequest, error: RequestDataTooBig) -> HttpResponse:
    return error_response(413, "request_too_large", "The body is too large: 2 MB is the limit.")


def _unexpected(request: HttpRequest, error: Exception) -> HttpResponse:
    logger.exception("%s %s failed", request.method, request.path)
    return server_error(request)


def _one(problem: dict[str, Any]) -> str:
    """One of pydantic's problems in a line: where, and what."""
    where = ".".join(str(part) for part in problem.get("loc", ())[1:] if part != "body")
    return f"{where}: {problem.get('msg', 'is not valid')}".removeprefix(": ")
