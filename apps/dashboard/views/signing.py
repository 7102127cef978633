"""Signing in and out, and accepting an invitation."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme

from apps.accounts.auth import client_address
from apps.accounts.errors import Refused, TooMany, Unauthorized
from apps.accounts.sessions import sign_in, sign_out, user_of
from apps.accounts.users import find_user
from apps.catalog import invitations
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


@public_page
def accept_invitation(request: HttpRequest, token: str) -> HttpResponse:
    """Make an account with a password; whoever has one by now gives that password."""
    client = client_address(request)
    invitation = invitations.of_token(token, client=client)
    known: dict[str, Any] = {
        "invitation": invitation,
        "has_account": find_user(invitation.email) is not None,
    }
    if request.method != "POST":
        return show(request, None, "invitation", **known)
    password, name = request.POST.get("password", ""), request.POST.get("name", "")
    try:
        invitations.accept(token, password, client=client, name=name[:100])
    except Refused as error:
        return show(request, None, "invitation", error.status, problem=error.message, **known)
    sign_in(request.session, invitation.email, password, client=client)
    return HttpResponseRedirect(reverse("dashboard:apps"))


def _try(request: HttpRequest) -> HttpResponse:
    email, password = request.POST.get("email", ""), request.POST.get("password", "")
    try:
        sign_in(request.session, email, password, client=client_address(request))
    except (Unauthorized, TooMany) as error:
        known = {"email": email, "next": _next(request)}
        return show(request, None, "sign_in", error.status, problem=error.message, **known)
    return HttpResponseRedirect(_next(request))


def _next(request: HttpRequest) -> str:
    """Where they wanted to go; only to our own pages."""
    wanted = request.POST.get("next") or request.GET.get("next") or ""
    home = reverse("dashboard:apps")
    if wanted.startswith(home) and url_has_allowed_host_and_scheme(wanted, allowed_hosts=None):
        return wanted
    return home
