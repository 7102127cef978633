"""A build's output as a stream."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponseBase, JsonResponse

from apps.accounts.errors import NotFound
from apps.builds.models import Build
from apps.builds.paths import build_log
from apps.builds.streaming import follow_log, streamed
from apps.builds.tickets import read_ticket
from apps.catalog import watching


def stream_build(request: HttpRequest, ticket: str) -> HttpResponseBase:
    try:
        opened = read_ticket("build", ticket)
        build = Build.objects.get(pk=opened.key)
        if not watching.may_view(opened.reader, build.app_id):
            raise NotFound("No such log.")
    except (NotFound, Build.DoesNotExist):
        return JsonResponse({"id": "not_found", "message": "No such log."}, status=404)
    lines = follow_log(build_log(build), final=build.is_final)
    return streamed(watching.while_permitted(lines, opened.reader, build.app_id))
