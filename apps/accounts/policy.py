"""The only place that decides who may do what.

Every verb asks `require`. A subject tells which rights an actor has on it by
`rights_of(actor)`; this module imports no room above it. What an actor may
not see does not exist for them (404); what they see but may not change is
forbidden (403).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol

from apps.accounts.errors import Forbidden, NotFound
from apps.accounts.models import Authorization, User


class Right(IntEnum):
    """What an actor may do to an app; each right includes those below it.

    OWN is the owner's and the admins' alone and cannot be given: to destroy
    the app, and to give it away.
    """

    NONE = 0
    VIEW = 1
    DEPLOY = 2
    OPERATE = 3
    MANAGE = 4
    OWN = 5

    @property
    def word(self) -> str:
        return self.name.lower()


@dataclass(frozen=True)
class Actor:
    """A user, limited by the scopes of the token they came with."""

    user: User
    scopes: frozenset[str] = frozenset({"global"})
    authorization: Authorization | None = None

    @property
    def may_write(self) -> bool:
        return bool(self.scopes & {"global", "write", "write-protected"})

    @property
    def may_read(self) -> bool:
        return bool(self.scopes & {"global", "read", "write", "read-protected", "write-protected"})

    @property
    def may_read_secrets(self) -> bool:
        """Config vars are what Heroku calls protected."""
        return bool(self.scopes & {"global", "read-protected", "write-protected"})

    @property
    def may_write_secrets(self) -> bool:
        return bool(self.scopes & {"global", "write-protected"})

    @property
    def may_read_account(self) -> bool:
        """Heroku's scope identity is made for this; the scopes of apps leave it out."""
        return bool(self.scopes & {"global", "identity"})

    @property
    def is_global(self) -> bool:
        return "global" in self.scopes

    def __str__(self) -> str:
        return self.user.email


class Subject(Protocol):
    """Something rights are held on. `noun` is how the user calls it ("app hello")."""

    @property
    def noun(self) -> str: ...

    def rights_of(self, user: User) -> Right: ...


def right_on(actor: Actor, subject: Subject) -> Right:
    """The highest right `actor` has on `subject`, scopes included."""
    held = Right.OWN if actor.user.is_admin else subject.rights_of(actor.user)
    if not actor.may_read:
        return Right.NONE
    return held if actor.may_write else min(held, Right.VIEW)


def require(actor: Actor, right: Right, subject: Subject) -> None:
    """Let pass whoever has `right` on `subject`.

    Raises:
        NotFound: the actor may not even see it.
        Forbidden: the actor sees it but has too little right or scope.
    """
    held = right_on(actor, subject)
    if held < Right.VIEW:
        raise NotFound(f"Couldn't find that {subject.noun.split()[0]}.")
    if held < right == Right.OWN:
        raise Forbidden(
            f"Only the owner of {subject.noun} may do this, with a token that may write."
        )
    if held < right:
        raise Forbidden(
            f"You have the right to {held.word} {subject.noun}, this needs {right.word}. "
            f"Ask its owner, or use a token with a wider scope."
        )


def require_read(actor: Actor) -> None:
    """Let pass tokens that reach apps at all; asked before anything is looked for.

    Raises:
        Forbidden: the scope is identity alone.
    """
    if not actor.may_read:
        raise Forbidden(
            "This token's scope does not reach apps. Use one with the scope read, write or global."
        )


def require_write(actor: Actor) -> None:
    """
    Raises:
        Forbidden: the token may only read.
    """
    if not actor.may_write:
        raise Forbidden("This token may only read. Use one with the scope write or global.")


def require_identity(actor: Actor) -> None:
    """
    Raises:
        Forbidden: the token's scopes leave the account out.
    """
    if not actor.may_read_account:
        raise Forbidden(
            "This token's scope leaves the account out. Use one with the scope identity or global."
        )


def require_admin(actor: Actor) -> None:
    """Users and instance-wide invitations are the admins', with a global token.

    Raises:
        Forbidden: the actor is no admin, or their token is too narrow.
    """
    require_global(actor)
    if not actor.user.is_admin:
        raise Forbidden("This is for the admins of this paas.")


def require_secrets(actor: Actor, *, write: bool = False) -> None:
    """Config vars need a scope that includes protected data.

    Raises:
        Forbidden: the token's scopes leave them out.
    """
    if not (actor.may_write_secrets if write else actor.may_read_secrets):
        raise Forbidden(
            "This token's scope leaves config vars out. "
            "Use one with the scope global, read-protected or write-protected."
        )


def require_global(actor: Actor) -> None:
    """Tokens and accounts are managed with the global scope only (Heroku's rule).

    Raises:
        Forbidden: the token has a narrower scope.
    """
    if not actor.is_global:
        raise Forbidden("This needs a token with the scope global.")
