"""Signing in and out."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme

from apps.accounts.auth import client_address
from apps.accounts.errors import TooMany, Unauthorized
from apps.accounts.sessions import sign_in, sign_out, user_of
from apps.dashboard.entry import go, public_page, show


@public_page
def sign_in_page(request: HttpRequest) -> HttpResponse:
    if request.method == "POST":
        return _try(request)
    if user_of(request.session):
        return HttpResponseRedirect(_next(request))
    return show(request, None, "sign_in", next=_next(request))


@public_page
def sign_out_page(request: HttpRequest) -> HttpResponse:
    if request.method == "POST":
        sign_out(request.session)
    return go(request, "sign-in")


def _try(request: HttpRequest) -> HttpResponse:
    email, password = request.POST.get("email", ""), request.POST.get("password", "")
    try:
        sign_in(request.session, email, password, client=client_address(request))
    except (Unauthorized, TooMany) as error:
        known = {"email": email, "next": _next(request), "problem": error.message}
        return show(request, None, "sign_in", error.status, **known)
    return HttpResponseRedirect(_next(request))


def _next(request: HttpRequest) -> str:
    """Where they wanted to go; only to our own pages."""
    wanted = request.POST.get("next") or request.GET.get("next") or ""
    home = reverse("dashboard:apps")
    if wanted.startswith(home) and url_has_allowed_host_and_scheme(wanted, allowed_hosts=None):
        return wanted
    return home
