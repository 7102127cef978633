"""What a command can fail with; `main` turns it into a text and an exit code."""

from __future__ import annotations

FAILURE = 1
USAGE = 2


class CliError(Exception):
    """Something the user has to know.

    Args:
        message: what happened and why, in a sentence.
        hint: the next step, or "".
        exit_code: `FAILURE` or `USAGE`.
    """

    def __init__(self, message: str, hint: str = "", *, exit_code: int = FAILURE) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.exit_code = exit_code


class UsageError(CliError):
    """The command line itself is wrong: exit code 2."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message, hint, exit_code=USAGE)


class ConnectionCut(CliError):
    """The panel could not be reached, or went away in the middle of an answer."""


class ApiError(CliError):
    """The panel refused: `status` is HTTP's, `id` the API's own name of the reason."""

    def __init__(self, status: int, kind: str, message: str, hint: str = "") -> None:
        super().__init__(message, hint)
        self.status = status
        self.id = kind
