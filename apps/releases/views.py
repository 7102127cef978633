"""A release's output as a stream: its release phase and its boot."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponseBase, JsonResponse

from apps.accounts.errors import NotFound
from apps.builds.streaming import follow_log, streamed
from apps.builds.tickets import read_ticket
from apps.catalog import watching
from apps.releases.log import release_log
from apps.releases.models import Release


def stream_release(request: HttpRequest, ticket: str) -> HttpResponseBase:
    try:
        opened = read_ticket("release", ticket)
        release = Release.objects.get(pk=opened.key)
        if not watching.may_view(opened.reader, release.app_id):
            raise NotFound("No such log.")
    except (NotFound, Release.DoesNotExist):
        return JsonResponse({"id": "not_found", "message": "No such log."}, status=404)
    lines = follow_log(release_log(release), final=release.is_final)
    return streamed(watching.while_permitted(lines, opened.reader, release.app_id))
