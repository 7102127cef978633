"""What both transports agree on: git's services, the names of apps, refusals."""

from __future__ import annotations

import re

UPLOAD_PACK = "git-upload-pack"
RECEIVE_PACK = "git-receive-pack"
SERVICES = (UPLOAD_PACK, RECEIVE_PACK)

_APP = re.compile(r"[a-z][a-z0-9-]{1,28}[a-z0-9]")
_VERSION = re.compile(r"[a-z0-9]+(=[a-z0-9]+)?(:[a-z0-9]+(=[a-z0-9]+)?)*")
_LONGEST_VERSION = 128


class RefusedError(Exception):
    """What was asked for is refused.

    Args:
        status: as HTTP has it; SSH shows the text alone.
        text: what is wrong and what to do, fit for the user.
    """

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status, self.text = status, text


def check_app(name: str) -> str:
    """`name`, if an app can be called so.

    Raises:
        RefusedError: it cannot.
    """
    if not _APP.fullmatch(name):
        raise RefusedError(
            404, "No app can have this name: use a-z, 0-9 and -, 3 to 30 characters."
        )
    return name


def checked_version(text: str) -> str:
    """The client's GIT_PROTOCOL ("version=2"), "" if it is malformed."""
    fits = len(text) <= _LONGEST_VERSION and _VERSION.fullmatch(text)
    return text if fits else ""
