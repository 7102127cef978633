"""The panel's bare address: the pages for a browser, nothing for a program."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponseRedirect
from django.urls import reverse


def home(request: HttpRequest) -> HttpResponseRedirect:
    if "text/html" not in request.headers.get("Accept", ""):
        raise Http404
    return to_pages(request)


def to_pages(request: HttpRequest) -> HttpResponseRedirect:
    return HttpResponseRedirect(reverse("dashboard:apps"))
