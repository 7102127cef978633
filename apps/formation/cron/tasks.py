"""The cron tasks of an app: those of the live release, so a rollback brings back its own."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from apps.accounts.errors import NotFound
from apps.catalog.models import App
from apps.formation.cron.desired import task_id
from apps.formation.models import CronSuspension
from apps.formation.spec import plan_of
from apps.releases.models import Release
from apps.releases.queries import current_release
from buildpacks import cron
from buildpacks.plan import CronTask


@dataclass(frozen=True)
class Task:
    """A cron task of an app as it is now. `paused` says why it is not run by the clock, or "".

    `id` is made of the command and the schedule: it stays the same from
    release to release, and so do the task's history and suspension.
    """

    id: str
    entry: CronTask
    paused: str

    def next_time(self, after: datetime) -> datetime | None:
        """When the clock runs it next; None while it is paused."""
        return None if self.paused else cron.next_time(self.entry.schedule, after)


def tasks_of(app: App) -> list[Task]:
    """The tasks of the current release; none before the first deploy."""
    release = current_release(app)
    return [] if release is None else tasks_in(release)


def tasks_in(release: Release) -> list[Task]:
    """The tasks that `release` of its app has, in app.json's order."""
    if release.build is None:
        return []
    suspended = set(CronSuspension.objects.filter(app=release.app).values_list("task", flat=True))
    return [_task(release.app, entry, suspended) for entry in plan_of(release.build).manifest.cron]


def get_task(app: App, task_id: str) -> Task:
    """
    Raises:
        NotFound: the current release has no such task.
    """
    for task in tasks_of(app):
        if task.id == task_id:
            return task
    raise NotFound(f"Couldn't find that cron task ({task_id}). `paas cron` lists them.")


def _task(app: App, entry: CronTask, suspended: Iterable[str]) -> Task:
    name = task_id(entry)
    if name in suspended:
        paused = "suspended"
    elif entry.maintenance:
        paused = "maintenance (task)"
    else:
        paused = "maintenance (app)" if app.maintenance else ""
    return Task(name, entry, paused)
