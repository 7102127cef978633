"""A build's output as a stream."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponseBase, JsonResponse

from apps.accounts.errors import NotFound
from apps.builds.models import Build
from apps.builds.paths import build_log
from apps.builds.streaming import stream_log
from apps.builds.tickets import key_in


async def stream_build(request: HttpRequest, ticket: str) -> HttpResponseBase:
    try:
        build = await Build.objects.aget(pk=key_in("build", ticket))
    except (NotFound, Build.DoesNotExist):
        return JsonResponse({"id": "not_found", "message": "No such log."}, status=404)
    return stream_log(build_log(build), final=build.is_final)
