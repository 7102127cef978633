"""Where an app answers: the front door's table is made equal to the app's names and its mode."""

from __future__ import annotations

import logging

from apps.catalog.models import App
from apps.formation.queue import enqueue
from apps.formation.runtime import get_runtime
from apps.formation.spec import routing_of
from paas.runtimes.base import RuntimeFailure

logger = logging.getLogger(__name__)


def reroute(app: App) -> None:
    """Move the app's routes, at once and whoever steers it; call after `want_change` is committed.

    A caller killed before this, and a runtime that refuses, are mended by reconcile.
    """
    routing = routing_of(app)
    try:
        get_runtime().route(
            str(app.id),
            routing.hosts,
            maintenance=routing.maintenance,
            routing=routing.version,
            certificates=routing.certificates,
        )
    except RuntimeFailure as error:
        logger.warning("the routes of %s could not be moved: %s", app, error)
    enqueue("reconcile", app.id)
