"""What a user does with cron tasks: run one now, suspend it, resume it."""

from __future__ import annotations

from django.db import transaction

from apps.accounts.errors import Refused
from apps.accounts.policy import Actor, Right, require
from apps.catalog.manage import record_app
from apps.catalog.models import App
from apps.formation.cron.desired import TIME_TO_LIVE
from apps.formation.cron.tasks import Task, get_task
from apps.formation.events import tell_api
from apps.formation.helm import want_change
from apps.formation.models import CronRun, CronSuspension
from apps.formation.queue import enqueue


def run_now(actor: Actor, app: App, task_id: str, *, time_to_live: int = TIME_TO_LIVE) -> CronRun:
    """Run a task once, whatever its schedule says and whether it is paused.

    Raises:
        NotFound: the current release has no such task.
        Refused: a bad `time_to_live`.
    """
    require(actor, Right.OPERATE, app)
    task = get_task(app, task_id)
    if not 1 <= time_to_live <= TIME_TO_LIVE:
        raise Refused(f"time_to_live is in seconds, 1 to {TIME_TO_LIVE}.")
    with transaction.atomic():
        run = CronRun.objects.create(
            app=app,
            task=task.id,
            exclusive=task.entry.concurrency_policy != "allow",
            time_to_live=time_to_live,
        )
        record_app(actor, "cron.run", app, task=task.id)
    tell_api(app, f"Run cron task {task.id} by user {actor}")
    enqueue("cron", run.id)
    return run


def suspend(actor: Actor, app: App, task_id: str) -> Task:
    """Keep the clock from running a task, in this release and all to come.

    Raises:
        NotFound: the current release has no such task.
    """
    require(actor, Right.OPERATE, app)
    task = get_task(app, task_id)
    with transaction.atomic():
        _, new = CronSuspension.objects.get_or_create(app=app, task=task.id)
        if new:
            record_app(actor, "cron.suspend", app, task=task.id)
            want_change(app)
    if new:
        enqueue("reconcile", app.id)
        tell_api(app, f"Suspend cron task {task.id} by user {actor}")
    return get_task(app, task_id)


def resume(actor: Actor, app: App, task_id: str) -> Task:
    """Let the clock run a task again.

    Raises:
        NotFound: the current release has no such task.
    """
    require(actor, Right.OPERATE, app)
    task = get_task(app, task_id)
    with transaction.atomic():
        removed, _ = CronSuspension.objects.filter(app=app, task=task.id).delete()
        if removed:
            record_app(actor, "cron.resume", app, task=task.id)
            want_change(app)
    if removed:
        enqueue("reconcile", app.id)
        tell_api(app, f"Resume cron task {task.id} by user {actor}")
    return get_task(app, task_id)
