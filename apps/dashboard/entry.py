"""The way into every page: who asks, what a refusal looks like, which headers it carries."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.conf import settings
from django.contrib.sessions.backends.base import SessionBase
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.middleware import SessionMiddleware
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.decorators import decorator_from_middleware
from django.utils.http import urlencode
from django.views.decorators.csrf import csrf_protect
from redis.exceptions import RedisError

from apps.accounts.errors import NotFound, Refused
from apps.accounts.policy import Actor
from apps.accounts.sessions import user_of
from apps.dashboard.guard import SAFE_METHODS, check_origin, secure
from paas.errors import DATABASE_AWAY
from paas.runtimes.base import RuntimeFailure

View = Callable[..., HttpResponseBase]
_NOTICE = "notice"

logger = logging.getLogger(__name__)
_with_session = decorator_from_middleware(SessionMiddleware)


def page(view: Callable[..., HttpResponse]) -> View:
    """A page for somebody who has signed in: `view(request, actor, ...)`.

    Unsafe requests need the session's token besides the right origin.
    """
    protected = csrf_protect(view)

    @wraps(view)
    def signed_in(request: HttpRequest, **arguments: Any) -> HttpResponse:
        user = user_of(request.session)
        if user is None:
            return _to_sign_in(request)
        actor = Actor(user)
        try:
            return protected(request, actor, **arguments)
        except Refused as error:
            return refusal(request, error, actor)

    return _answering(signed_in)


def act(view: Callable[..., HttpResponse]) -> View:
    """A change: as a page, but by POST alone."""

    @wraps(view)
    def by_post(request: HttpRequest, actor: Actor, **arguments: Any) -> HttpResponse:
        if request.method == "POST":
            return view(request, actor, **arguments)
        heading = "There is nothing to see here"
        text = "This address takes changes from the pages. Go back to where you came from."
        return show(request, actor, "refusal", 405, heading=heading, text=text)

    return page(by_post)


def public_page(view: Callable[..., HttpResponse]) -> View:
    """A page for anybody: `view(request, ...)`.

    It has no token, which would need a session for every passer-by; the check
    of the origin holds off forged requests to sign in or out.
    """

    @wraps(view)
    def anybody(request: HttpRequest, **arguments: Any) -> HttpResponse:
        try:
            return view(request, **arguments)
        except Refused as error:
            return refusal(request, error)

    return _answering(anybody)


def actor_of_stream(request: HttpRequest) -> Actor:
    """The actor of a request for an event stream, which has no middleware.

    Raises:
        NotFound: nobody has signed in.
        Forbidden: another page than ours is behind the request.
    """
    check_origin(request)
    user = user_of(SessionStore(request.COOKIES.get(settings.SESSION_COOKIE_NAME)))
    if user is None:
        raise NotFound("There is nothing here.")
    return Actor(user)


def show(
    request: HttpRequest, actor: Actor | None, template: str, status: int = 200, **context: object
) -> HttpResponse:
    """Render `dashboard/<template>.html`."""
    context |= {"actor": actor, "notice": _take_notice(request)}
    return render(request, f"dashboard/{template}.html", context, status=status)


def refusal(request: HttpRequest, error: Refused, actor: Actor | None = None) -> HttpResponse:
    """What is wrong, why, and what to do next, as a page."""
    heading = _HEADINGS.get(error.status, "That did not work")
    text = error.message if error.status != 404 else _NOTHING
    return show(request, actor, "refusal", error.status, heading=heading, text=text)


def go(
    request: HttpRequest, route: str, *arguments: object, notice: str = ""
) -> HttpResponseRedirect:
    """To another page, which will show `notice` once."""
    if notice:
        request.session[_NOTICE] = notice
    return HttpResponseRedirect(reverse(f"dashboard:{route}", args=arguments))


def is_refresh(request: HttpRequest) -> bool:
    """A page that looks again at what may have changed: it has the long parts already."""
    return "HX-Request" in request.headers


def token_missing(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Django's name for this is CSRF_FAILURE_VIEW."""
    text = "The page you sent this from is too old. Open it again, then repeat what you did."
    return show(request, None, "refusal", 403, heading="Nothing was changed", text=text)


_NOTHING = "There is no such page, or it is not for you. The list has all apps you may see."
_HEADINGS = {
    401: "This does not let you in",
    403: "You may not do that",
    404: "There is nothing here",
    409: "Somebody else is at it",
    429: "Too many tries",
    503: "A part of the panel does not answer",
}


def _answering(view: Callable[..., HttpResponse]) -> View:
    answered = _with_session(view)

    @wraps(view)
    def answer(request: HttpRequest, **arguments: Any) -> HttpResponseBase:
        try:
            check_origin(request)
            return secure(answered(request, **arguments))
        except Refused as error:
            return secure(refusal(request, error))
        except RuntimeFailure as error:
            return secure(_unavailable(request, f"The runtime does not answer: {error}"))
        except (OperationalError, InterfaceError) as error:
            logger.error("%s %s: %s", request.method, request.path, error)
            return secure(_without_database(request))
        except RedisError:
            return secure(_unavailable(request, "Redis does not answer. Try again in a moment."))
        except Exception:
            logger.exception("%s %s failed", request.method, request.path)
            return secure(_broken(request))

    return answer


def _to_sign_in(request: HttpRequest) -> HttpResponse:
    address = reverse("dashboard:sign-in")
    if request.method in SAFE_METHODS:
        address += "?" + urlencode({"next": request.get_full_path()})
    if request.headers.get("HX-Request"):
        return HttpResponse(headers={"HX-Redirect": reverse("dashboard:sign-in")})
    return HttpResponseRedirect(address)


def _unavailable(request: HttpRequest, text: str) -> HttpResponse:
    return show(request, None, "refusal", 503, heading=_HEADINGS[503], text=text)


def _without_database(request: HttpRequest) -> HttpResponse:
    """As `_unavailable`, but no session is asked for a notice."""
    context = {"actor": None, "notice": "", "heading": _HEADINGS[503], "text": DATABASE_AWAY}
    return render(request, "dashboard/refusal.html", context, status=503)


def _broken(request: HttpRequest) -> HttpResponse:
    text = "It is not your fault. logs/panel/web.log has the details; trying again may help."
    heading = "Something went wrong inside paas"
    return show(request, None, "refusal", 500, heading=heading, text=text)


def _take_notice(request: HttpRequest) -> str:
    session: SessionBase | None = getattr(request, "session", None)
    if session is None or _NOTICE not in session:
        return ""
    return str(session.pop(_NOTICE))
