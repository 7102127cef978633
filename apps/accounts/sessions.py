"""Signing in to the pages: a session on the server, named by a cookie.

A session holds the user's id and a mark of their password, so it ends when
the user is deactivated or the password changes. The API knows no sessions.
"""

from __future__ import annotations

from typing import cast

from django.contrib.sessions.backends.base import SessionBase
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from apps.accounts.login import check_password
from apps.accounts.models import User
from apps.activity.record import record

_USER = "user"
_MARK = "mark"


def sign_in(session: SessionBase, email: str, password: str, *, client: str) -> User:
    """Make `session` the user's, under a new key: one planted before is worth nothing.

    Args:
        client: the address the request came from, limited like the e-mail.

    Raises:
        Unauthorized: wrong address or password; the text does not tell which.
        TooMany: too many wrong tries for this address or account.
    """
    user = check_password(email, password, client=client)
    User.objects.filter(pk=user.pk).update(last_login=timezone.now())
    session.flush()
    session[_USER] = str(user.pk)
    session[_MARK] = user.get_session_auth_hash()
    session.clear_expired()  # nobody else does
    record("account.sign_in", actor_id=user.id, actor=user.email, client=client)
    return user


def sign_out(session: SessionBase) -> None:
    """End the session on the server, whatever becomes of the cookie."""
    session.flush()


def user_of(session: SessionBase) -> User | None:
    """The active user that `session` belongs to, unless their password has changed since."""
    key = session.get(_USER)
    if key is None:
        return None
    user = User.objects.filter(pk=key, is_active=True).first()
    if user is None or not _is_marked(session, user):
        return None
    return user


def _is_marked(session: SessionBase, user: User) -> bool:
    mark = cast("str", session.get(_MARK, ""))
    return constant_time_compare(mark, user.get_session_auth_hash())
