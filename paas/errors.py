"""Answers for what no route or no handler catches: JSON, as everywhere at the API."""

from __future__ import annotations

from django.http import HttpRequest, JsonResponse


def not_found(request: HttpRequest, exception: Exception) -> JsonResponse:
    return JsonResponse({"id": "not_found", "message": "There is nothing here."}, status=404)


def server_error(request: HttpRequest) -> JsonResponse:
    message = "Something went wrong inside paas. logs/panel/web.log has the details."
    return JsonResponse({"id": "internal_server_error", "message": message}, status=500)
