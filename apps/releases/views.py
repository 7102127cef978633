"""A release's output as a stream: its release phase and its boot."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponseBase, JsonResponse

from apps.accounts.errors import NotFound
from apps.builds.streaming import stream_log
from apps.builds.tickets import key_in
from apps.releases.log import release_log
from apps.releases.models import Release


async def stream_release(request: HttpRequest, ticket: str) -> HttpResponseBase:
    try:
        release = await Release.objects.aget(pk=key_in("release", ticket))
    except (NotFound, Release.DoesNotExist):
        return JsonResponse({"id": "not_found", "message": "No such log."}, status=404)
    return stream_log(release_log(release), final=release.is_final)
