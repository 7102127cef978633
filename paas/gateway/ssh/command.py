"""What an SSH client wants to run: one of git's two services on one app, or nothing."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from paas.gateway.protocol import SERVICES, RefusedError, check_app

_ONLY_GIT = (
    "There is no shell here, only git: git push, git fetch and git clone of\n"
    "an app's repository. Commands of paas run on your own machine: paas help"
)


@dataclass(frozen=True)
class Command:
    """`service` on `app`."""

    service: str
    app: str


def parse(text: str) -> Command:
    """Read an SSH command as git sends it: `git-receive-pack '/hello.git'`.

    It is split as a shell would do it, and never given to one.

    Raises:
        RefusedError: it is anything else.
    """
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise RefusedError(400, _ONLY_GIT) from error
    if words[:1] == ["git"]:
        words = [f"git-{''.join(words[1:2])}", *words[2:]]
    if len(words) != 2 or words[0] not in SERVICES:
        raise RefusedError(400, _ONLY_GIT)
    service, path = words
    return Command(service, check_app(path.removeprefix("/").removesuffix(".git")))
