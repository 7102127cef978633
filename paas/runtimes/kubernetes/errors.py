"""What the API refuses, by what can be done about it; all texts are fit for the user."""

from __future__ import annotations

from dataclasses import dataclass

from paas.runtimes.base import RuntimeFailure


@dataclass(frozen=True)
class Contested:
    """A field that somebody else has set to another value."""

    manager: str
    field: str


class ApiError(RuntimeFailure):
    """The API answered, and said no.

    Args:
        status: HTTP's.
        reason: Kubernetes' word for it, as "NotFound"; "" when it gives none.
        message: what it said.
    """

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(f"Kubernetes refused it ({reason or status}): {message}")
        self.status, self.reason, self.message = status, reason, message


class Gone(ApiError):
    """There is no such object, or no such kind."""


class Exists(ApiError):
    """There is one of that name already."""


class Forbidden(ApiError):
    """The panel's own account may not do it, or a rule of the cluster forbids it."""


class Terminating(ApiError):
    """The namespace is being deleted: nothing can be made in it."""


class Moved(ApiError):
    """It has changed, or is another one, since it was read."""


class Expired(ApiError):
    """The server no longer knows what happened since then: list anew."""


class Conflict(ApiError):
    """Others hold fields that we wanted to set; `contested` says who and which."""

    def __init__(self, message: str, contested: tuple[Contested, ...], subject: str) -> None:
        super().__init__(409, "Conflict", message)
        self.contested = contested
        said = "; ".join(f"{one.field} is held by {one.manager}" for one in contested)
        self.args = (
            f"{subject} was changed by somebody else: {said}. Undo that change, or let its field "
            "manager give the field up; nothing of it was overwritten.",
        )


class Insecure(ApiError):
    """The pods of this workload would be refused: a mistake of the platform's, not the app's."""


class Unreachable(RuntimeFailure):
    """The API did not answer for as long as we had patience."""
