"""Every address below /dashboard/ that nothing else answers."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse

from apps.accounts.errors import NotFound
from apps.accounts.policy import Actor
from apps.dashboard.entry import page


@page
def missing(request: HttpRequest, actor: Actor) -> HttpResponse:
    raise NotFound("There is nothing here.")
