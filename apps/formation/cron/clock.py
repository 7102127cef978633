"""The clock of cron: each minute's due tasks become rows, each row once.

Minutes that pass while no worker runs are not caught up, as with any cron.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta

from django.db import IntegrityError, transaction

from apps.catalog.models import App
from apps.formation.cron.desired import TIME_TO_LIVE
from apps.formation.cron.tasks import Task, tasks_in
from apps.formation.models import CronRun
from apps.formation.queue import enqueue
from apps.formation.runtime import get_runtime
from apps.releases.models import Release
from buildpacks import cron

logger = logging.getLogger(__name__)

_BEHIND = 5
"""Minutes a clock that was held up still does: a worker that is busy is not down."""
_MINUTE = timedelta(minutes=1)


class Clock:
    """Makes each minute's runs as soon as the minute begins."""

    def __init__(self) -> None:
        self._done: datetime | None = None

    def tick(self, now: datetime) -> None:
        """Make the rows of all minutes since the last call; of this minute at the first."""
        minute = now.astimezone(UTC).replace(second=0, microsecond=0)
        if self._done is None or self._done > minute:  # at the start, or set back
            self._done = minute - _MINUTE
        first = self._done + _MINUTE
        at = max(first, minute - _BEHIND * _MINUTE)
        while at <= minute:
            make_due(at)
            at += _MINUTE
        self._done = minute


def make_due(minute: datetime) -> None:
    """Make a run of every task that is due in `minute`, unless another clock has.

    A runtime with a clock of its own is left to do it.
    """
    if get_runtime().schedules:
        return
    releases = Release.objects.filter(current=True, build__plan__manifest__has_key="cron")
    for release in releases.exclude(build__plan__manifest__cron=[]).select_related("app", "build"):
        try:
            due = [task for task in tasks_in(release) if _is_due(task, minute)]
        except (cron.BadTask, KeyError, TypeError):
            # A plan that an older version has let pass; the other apps go on.
            logger.exception("the cron tasks of %s cannot be read", release.app)
            continue
        for task in due:
            _make(release.app, task, minute)


def _is_due(task: Task, minute: datetime) -> bool:
    return not task.paused and cron.is_due(task.entry.schedule, minute)


def _make(app: App, task: Task, minute: datetime) -> None:
    try:
        with transaction.atomic():
            run = CronRun.objects.create(
                app=app,
                task=task.id,
                minute=minute,
                exclusive=task.entry.concurrency_policy != "allow",
                time_to_live=TIME_TO_LIVE,
            )
    except IntegrityError:
        return
    enqueue("cron", run.id)
