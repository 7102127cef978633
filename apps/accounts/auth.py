"""From a request to an actor: tokens as Bearer, or as the password of Basic."""

from __future__ import annotations

import base64
import binascii
from datetime import timedelta

from django.conf import settings
from django.http import HttpRequest
from django.utils import timezone
from ninja.security.base import AuthBase

from apps.accounts.errors import TooMany, Unauthorized
from apps.accounts.limits import count_failure, spend_call
from apps.accounts.models import Authorization
from apps.accounts.policy import Actor

_USE_NOTED_EVERY = timedelta(minutes=1)


class TokenAuth(AuthBase):
    """Ninja's view of it: `request.auth` becomes the `Actor`.

    The API takes no cookies: apps are same-site neighbours of the panel.
    """

    openapi_type = "http"
    openapi_scheme = "bearer"

    def __call__(self, request: HttpRequest) -> Actor:
        """
        Raises:
            Unauthorized: no usable token.
            TooMany: the user has made too many calls, or guesses came from their address.
        """
        actor = actor_of(request)
        left = spend_call(actor.user)
        if left is None:
            return actor
        request.calls_left = max(left, 0)  # type: ignore[attr-defined]  # for the header
        if left < 0:
            raise TooMany(
                f"You have made {settings.API_CALLS_PER_HOUR} calls in this hour. "
                "Try again in the next one."
            )
        return actor


token_auth = TokenAuth()


def actor_of(request: HttpRequest) -> Actor:
    """The actor of `request`.

    Raises:
        Unauthorized: no token, or one that is unknown, expired or revoked.
        TooMany: too many wrong ones from this address.
    """
    token = token_in(request.headers.get("Authorization", ""))
    if not token:
        raise Unauthorized("There were no credentials in your Authorization header.")
    actor = actor_for_token(token)
    if actor is None:
        # After the look-up: a valid token behind the same address is never locked out.
        count_failure("token", client_address(request))
        raise Unauthorized("Invalid credentials provided.")
    return actor


def actor_for_token(token: str) -> Actor | None:
    """The actor a usable `token` stands for; notes its use at most once a minute."""
    authorization = Authorization.objects.for_token(token)
    if authorization is None:
        return None
    _note_use(authorization)
    return Actor(authorization.user, frozenset(authorization.scopes), authorization)


def client_address(request: HttpRequest) -> str:
    """The address the front door saw: the last entry, all before it is the client's own claim."""
    forwarded = request.headers.get("X-Forwarded-For", "")
    return forwarded.rsplit(",", 1)[-1].strip() or request.META.get("REMOTE_ADDR", "") or "local"


def _note_use(authorization: Authorization) -> None:
    now = timezone.now()
    if authorization.last_used_at is None or now - authorization.last_used_at > _USE_NOTED_EVERY:
        Authorization.objects.filter(pk=authorization.pk).update(last_used_at=now)


def token_in(header: str) -> str:
    """The token in an `Authorization` header, "" if there is none."""
    scheme, _, value = header.partition(" ")
    if scheme.lower() == "bearer":
        return value.strip()
    if scheme.lower() != "basic":
        return ""
    try:
        decoded = base64.b64decode(value.strip(), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""
    return decoded.partition(":")[2]
