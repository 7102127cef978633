"""The users of the instance: made by admins, changed by themselves."""

from __future__ import annotations

import secrets
import uuid
from dataclasses import dataclass

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.validators import EmailValidator
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils import timezone

from apps.accounts.errors import Conflict, NotFound, Refused
from apps.accounts.login import check_password
from apps.accounts.models import Authorization, User
from apps.accounts.policy import Actor, require_admin, require_global
from apps.activity.record import record

_LONGEST_EMAIL = 254
_LOCAL = ["localhost"]  # the first admin's address ends so


@dataclass(frozen=True)
class Made:
    """A user and their new password, which is not kept and cannot be shown again."""

    user: User
    password: str


def find_user(key: str) -> User | None:
    """The user of that e-mail address or id."""
    try:
        return User.objects.filter(pk=uuid.UUID(key)).first()
    except ValueError:
        return User.objects.filter(email=key.strip().lower()).first()


def all_users(actor: Actor) -> QuerySet[User]:
    """Everybody, by address, for an admin."""
    require_admin(actor)
    return User.objects.order_by("email")


def get_user(actor: Actor, key: str) -> User:
    """The user of that address or id, for an admin.

    Raises:
        Forbidden: the actor is no admin.
        NotFound: there is none such.
    """
    require_admin(actor)
    found = find_user(key)
    if found is None:
        raise NotFound("Couldn't find that user. `paas users` lists them.")
    return found


def create_user(actor: Actor, email: str, *, name: str = "", admin: bool = False) -> Made:
    """An admin makes a user with a password made up here.

    Raises:
        Refused: an address that is none, or taken.
    """
    require_admin(actor)
    password = secrets.token_urlsafe(18)
    with transaction.atomic():
        user = add_user(email, password, name=name, admin=admin)
        _record(actor, "account.create", user, admin=admin)
    return Made(user, password)


def add_user(email: str, password: str, *, name: str = "", admin: bool = False) -> User:
    """Store a new user; the caller has settled that this may be.

    Raises:
        Refused: an address that is none, or taken; a password that is too weak.
    """
    address = checked_email(email)
    check_strength(password)
    try:
        with transaction.atomic():
            return User.objects.create_user(address, password, name=name, is_admin=admin)
    except (IntegrityError, ValidationError):
        raise Refused(_taken(address)) from None


def checked_email(email: str) -> str:
    """`email` in the one form addresses are kept in.

    Raises:
        Refused: it is none.
    """
    address = email.strip().lower()
    try:
        EmailValidator(allowlist=_LOCAL)(address)
    except ValidationError:
        raise Refused(f"{email[:254]!r} is no e-mail address.") from None
    if len(address) > _LONGEST_EMAIL:
        raise Refused("That e-mail address is too long.")
    return address


def check_strength(password: str) -> None:
    """
    Raises:
        Refused: the password is too short or too common.
    """
    try:
        validate_password(password)
    except ValidationError as error:
        raise Refused(" ".join(error.messages)) from None


def update_account(
    actor: Actor,
    *,
    client: str,
    name: str | None = None,
    email: str | None = None,
    password: str | None = None,
    new_password: str | None = None,
) -> User:
    """Users change themselves; address and password need the present password.

    A new password ends all other tokens of the user.

    Args:
        client: the address the request came from, against guessing.

    Raises:
        Refused: a bad value, or the present password is missing or wrong.
        TooMany: it was wrong too often.
    """
    require_global(actor)
    user = actor.user
    if email is not None or new_password is not None:
        _confirm(user, password, client)
    changes = _changes(name, email)
    if new_password is not None:
        check_strength(new_password)
        user.set_password(new_password)
        changes["password"] = user.password
    try:
        with transaction.atomic():
            User.objects.filter(pk=user.pk).update(**changes, updated_at=timezone.now())
            if new_password is not None:
                revoke_tokens(user, but=actor.authorization)
            _record(actor, "account.update", user, fields=sorted(changes))
    except IntegrityError:
        raise Refused(_taken(changes["email"])) from None
    user.refresh_from_db()
    return user


def reset_password(actor: Actor, user: User) -> Made:
    """An admin gives a user another password and ends all the user's tokens.

    Raises:
        Refused: admins change their own with the old one.
    """
    require_admin(actor)
    if user.pk == actor.user.pk:
        raise Refused("Change your own password with: paas account:update --password")
    password = secrets.token_urlsafe(18)
    user.set_password(password)
    with transaction.atomic():
        if not User.objects.filter(pk=user.pk).update(password=user.password):
            raise NotFound(f"{user} has just been removed.")
        revoke_tokens(user)
        _record(actor, "account.reset_password", user)
    return Made(user, password)


def revoke_tokens(user: User, *, but: Authorization | None = None) -> None:
    """End all tokens of `user`, `but` one."""
    tokens = Authorization.objects.filter(user=user, revoked_at=None)
    if but is not None:
        tokens = tokens.exclude(pk=but.pk)
    tokens.update(revoked_at=timezone.now())


def delete_user(actor: Actor, user: User) -> None:
    """Remove the row and what hangs on it; what they own was given away by the caller.

    Raises:
        Refused: nobody removes themselves, so an admin is always left.
        Conflict: they own something again, or are gone already.
    """
    require_admin(actor)
    with transaction.atomic():
        # Two admins who remove each other: the second finds itself gone.
        admins = User.objects.select_for_update().filter(is_admin=True).values_list("pk", flat=True)
        if actor.user.pk not in set(admins):
            raise Conflict("Your own account has just been removed.")
        if user.pk == actor.user.pk:
            raise Refused("Nobody removes themselves. Another admin can.")
        _record(actor, "account.delete", user)
        user.delete()


def _changes(name: str | None, email: str | None) -> dict[str, str]:
    changes = {}
    if name is not None:
        if len(name) > 100:
            raise Refused("A name has 100 characters at most.")
        changes["name"] = name
    if email is not None:
        changes["email"] = checked_email(email)
    return changes


def _confirm(user: User, password: str | None, client: str) -> None:
    if not password:
        raise Refused("To change the address or the password, send the present one as `password`.")
    check_password(user.email, password, client=client)


def _taken(email: str) -> str:
    return f"{email} has an account already."


def _record(actor: Actor, verb: str, user: User, **details: object) -> None:
    record(
        verb,
        actor_id=actor.user.id,
        actor=str(actor),
        app_id=None,
        app="",
        user=user.email,
        **details,
    )
