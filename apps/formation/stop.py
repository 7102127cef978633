"""Stopping processes."""

from __future__ import annotations

from apps.accounts.policy import Actor
from apps.catalog.models import App
from apps.formation.restart import restart


def stop(actor: Actor, app: App, which: str) -> None:
    """End a process, or all of a type.

    What belongs to the formation is replaced by a fresh process, as on Heroku:
    how many there are is a matter of `scale`.

    Args:
        which: a type ("web") or one process ("web.2").

    Raises:
        NotFound: the app has no such process.
    """
    restart(actor, app, which)
