"""Signing in with a password."""

from __future__ import annotations

from django.contrib.auth.hashers import make_password
from django.utils import timezone

from apps.accounts.authorizations import Issued, issue
from apps.accounts.errors import Unauthorized
from apps.accounts.limits import check_rate, count_failure
from apps.accounts.models import User
from apps.activity.record import record

TOKEN_LIFE = 30 * 24 * 3600  # seconds; as long as Heroku's login lasts


def check_password(email: str, password: str, *, client: str) -> User:
    """The user that these words belong to.

    Args:
        client: the address the request came from, limited like the e-mail.

    Raises:
        Unauthorized: wrong address or password; the text does not tell which.
        TooMany: too many wrong tries for this address or account.
    """
    email = email.strip().lower()
    check_rate("login", email)
    check_rate("login", client)
    user = User.objects.filter(email=email, is_active=True).first()
    if user is None:
        make_password(password)  # as slow as a wrong password, so timing tells nothing
    elif user.check_password(password):
        return user
    count_failure("login", email)
    count_failure("login", client)
    raise Unauthorized("Invalid e-mail address or password.")


def login(email: str, password: str, *, client: str, description: str) -> Issued:
    """A token for the `paas` command, in exchange for a password."""
    user = check_password(email, password, client=client)
    User.objects.filter(pk=user.pk).update(last_login=timezone.now())
    record("account.login", actor_id=user.id, actor=user.email, client=client)
    return issue(user, description=description, expires_in=TOKEN_LIFE)
