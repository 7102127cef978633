"""Waiting for a release: its output is streamed, and ends when it is final."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from paas.cli.client import Panel
from paas.cli.console import Progress
from paas.cli.errors import CliError, ConnectionCut

Write = Callable[[str], None]
_PAUSES = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)  # seconds between attempts after a cut, the last for ever
_PATIENCE = 12  # attempts without a new byte before giving up


def output(panel: Panel, url: str, write: Write, *, skip: int = 0) -> int:
    """Write the text at `url` as it comes, in whole lines; the bytes read so far.

    Args:
        skip: bytes at the beginning that have been written already.

    Raises:
        ConnectionCut: it broke off before anything came.
    """
    seen, line = 0, b""
    with panel.stream(url) as chunks:
        try:
            for chunk in chunks:
                text = chunk.replace(b"\0", b"")  # Heroku's sign of life
                new = text[max(0, skip - seen) :]
                seen += len(text)
                *whole, line = (line + new).split(b"\n")
                for one in whole:
                    write(one.decode(errors="replace") + "\n")
        except ConnectionCut:
            return max(skip, seen - len(line))
    if line:
        write(line.decode(errors="replace") + "\n")
    return max(skip, seen)


def wait_for(panel: Panel, app: str, release: dict[str, Any], progress: Progress) -> dict[str, Any]:
    """Follow `release` until it is final; its last state.

    Raises:
        CliError: it failed (the text is the panel's reason), or cannot be followed.
    """
    version = str(release["version"])
    seen, idle = 0, 0
    while release["status"] == "pending":
        before, problem = seen, None
        try:
            url = release.get("output_stream_url")
            seen = output(panel, str(url), progress.write, skip=seen) if url else seen
            release = panel.get("apps", app, "releases", version)
        except ConnectionCut as cut:
            problem = cut
        idle = 0 if seen > before else idle + 1
        if release["status"] == "pending":
            _pause(idle, problem, app, version)
    if release["status"] == "failed":
        raise failure_of(release, app)
    return release


def _pause(idle: int, problem: ConnectionCut | None, app: str, version: str) -> None:
    if idle > _PATIENCE:
        raise problem or CliError(
            f"v{version} is still pending and says nothing.",
            f"It goes on without this command. Look: paas releases:info v{version} -a {app}",
        )
    time.sleep(_PAUSES[min(idle, len(_PAUSES) - 1)])


def failure_of(release: dict[str, Any], app: str) -> CliError:
    """Why `release` failed, in the panel's words."""
    facts = release.get("failure") or {}
    reason = facts.get("message") or "no reason was recorded."
    hint = facts.get("hint") or f"See: paas releases:output v{release['version']} -a {app}"
    return CliError(f"v{release['version']} failed: {reason}", str(hint))
