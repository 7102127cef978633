"""The cron tasks of a build as a runtime with a clock of its own is told of them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from apps.catalog.models import App
from apps.formation.models import CronSuspension
from buildpacks import cron
from buildpacks.plan import CronTask as Entry
from buildpacks.plan import Manifest
from paas.runtimes.base import CronTask, RuntimeFailure

TIME_TO_LIVE = 24 * 3600
"""Seconds a run may last; Dokku's default."""


def task_id(entry: Entry) -> str:
    return hashlib.sha256(f"{entry.command}\0{entry.schedule}".encode()).hexdigest()[:8]


def desired_tasks(
    app: App, manifest: Manifest, processes: Mapping[str, str], *, maintenance: bool
) -> tuple[CronTask, ...]:
    """An entry that is there twice is one task, as with the panel's clock.

    Args:
        processes: process type → command: a task may name one.

    Raises:
        RuntimeFailure: a schedule says something that only the panel's clock knows.
    """
    if not manifest.cron:
        return ()
    suspended = set(CronSuspension.objects.filter(app=app).values_list("task", flat=True))
    entries = {task_id(entry): entry for entry in manifest.cron}
    return tuple(
        CronTask(
            id=name,
            number=number,
            command=processes.get(entry.command, entry.command),
            schedule=_portable(entry),
            policy=entry.concurrency_policy,
            suspended=name in suspended or entry.maintenance or maintenance,
            timeout=TIME_TO_LIVE,
        )
        for number, (name, entry) in enumerate(entries.items())
    )


def _portable(entry: Entry) -> str:
    try:
        return cron.portable(entry.schedule)
    except cron.BadTask as error:
        raise RuntimeFailure(
            f"The schedule {entry.schedule} of the cron task {entry.command!r} cannot be run by "
            f"the cluster's clock: {error}. Write it without, and push again."
        ) from None
