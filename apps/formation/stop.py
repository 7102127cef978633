"""Stopping processes: a one-off for good, any other to be started afresh (Heroku)."""

from __future__ import annotations

from apps.accounts.errors import NotFound
from apps.accounts.policy import Actor, Right, require
from apps.catalog.manage import record_app
from apps.catalog.models import App
from apps.formation.events import tell_api
from apps.formation.restart import restart
from apps.formation.runtime import get_runtime


def stop(actor: Actor, app: App, which: str) -> None:
    """Stop the one-off `which` ("run.3"), or restart a process or a type.

    Raises:
        NotFound: the app has no such process.
    """
    require(actor, Right.OPERATE, app)
    if not which.startswith("run."):
        restart(actor, app, which)
        return
    if not get_runtime().stop(str(app.id), which):
        raise NotFound(f"Couldn't find that process ({which}). `paas ps` lists them.")
    record_app(actor, "process.stop", app, process=which)
    tell_api(app, f"Stopping process {which} by user {actor}")
