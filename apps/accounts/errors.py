"""What verbs raise; the API and the pages turn it into answers."""

from __future__ import annotations


class Refused(Exception):
    """A verb that cannot be done, with a text for the user.

    Args:
        message: what is wrong, why, and what to do next.
    """

    id = "invalid_params"
    status = 422

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class Unauthorized(Refused):
    id = "unauthorized"
    status = 401


class Forbidden(Refused):
    """The actor may see the subject but not do this to it."""

    id = "forbidden"
    status = 403


class NotFound(Refused):
    """It is not there, or the actor may not know that it is: the two look the same."""

    id = "not_found"
    status = 404


class Conflict(Refused):
    """Somebody else is at it; trying again later may work."""

    id = "conflict"
    status = 409


class TooMany(Refused):
    id = "rate_limit"
    status = 429


class Unavailable(Refused):
    """A part of the panel does not answer."""

    id = "unavailable"
    status = 503
