"""Cron tasks and their runs; Heroku has none, so the shapes follow its manners."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime

from django.http import HttpRequest
from ninja import Router, Status

from apps.accounts.errors import NotFound
from apps.accounts.policy import Right
from apps.accounts.schemas import ERRORS, Shape, actor_of, example
from apps.catalog.models import App
from apps.catalog.queries import get_app
from apps.formation.cron.desired import TIME_TO_LIVE
from apps.formation.cron.history import find_run, last_runs, runs_of
from apps.formation.cron.tasks import Task, get_task, tasks_of
from apps.formation.cron.verbs import resume, run_now, suspend
from apps.formation.models import CronRun
from apps.releases.api import AppRef

router = Router(tags=["cron"])


class RunOut(Shape):
    """`minute` is the one it was due in; null for a run that somebody asked for."""

    id: uuid.UUID
    task: str
    process: str
    state: str
    minute: datetime | None
    exit_status: int | None
    reason: str
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


class CronOut(Shape):
    """`paused` says why the clock leaves it out; times are UTC."""

    id: str
    app: AppRef
    command: str
    schedule: str
    concurrency_policy: str
    paused: str | None
    next_run_at: datetime | None
    last_run: RunOut | None


class CronPatch(Shape):
    model_config = example(suspended=True)

    suspended: bool


class RunIn(Shape):
    """`time_to_live`: seconds until it is stopped."""

    model_config = example(time_to_live=600)

    time_to_live: int = TIME_TO_LIVE


@router.get("/apps/{app}/cron", response={200: list[CronOut], **ERRORS})
def list_cron(request: HttpRequest, app: str) -> list[CronOut]:
    found = get_app(actor_of(request), app)
    last = last_runs(found)
    return [_show(found, task, last.get(task.id)) for task in tasks_of(found)]


@router.get("/apps/{app}/cron/{task}", response={200: CronOut, **ERRORS})
def show_cron(request: HttpRequest, app: str, task: str) -> CronOut:
    found = get_app(actor_of(request), app)
    return _show(found, get_task(found, task), last_runs(found).get(task))


@router.patch("/apps/{app}/cron/{task}", response={200: CronOut, **ERRORS})
def change_cron(request: HttpRequest, app: str, task: str, body: CronPatch) -> CronOut:
    """Suspend or resume."""
    actor = actor_of(request)
    found = get_app(actor, app, Right.OPERATE)
    verb = suspend if body.suspended else resume
    return _show(found, verb(actor, found, task), last_runs(found).get(task))


@router.get("/apps/{app}/cron/{task}/runs", response={200: list[RunOut], **ERRORS})
def list_runs(request: HttpRequest, app: str, task: str) -> list[RunOut]:
    """The newest first."""
    found = get_app(actor_of(request), app)
    get_task(found, task)
    return [_show_run(run) for run in runs_of(found, task)]


@router.post("/apps/{app}/cron/{task}/runs", response={201: RunOut, **ERRORS})
def create_run(request: HttpRequest, app: str, task: str, body: RunIn) -> Status[RunOut]:
    """Run it now; its output goes to the app's log."""
    actor = actor_of(request)
    found = get_app(actor, app, Right.OPERATE)
    return Status(201, _show_run(run_now(actor, found, task, time_to_live=body.time_to_live)))


@router.get("/apps/{app}/cron/{task}/runs/{uuid:run}", response={200: RunOut, **ERRORS})
def show_run(request: HttpRequest, app: str, task: str, run: uuid.UUID) -> RunOut:
    found = get_app(actor_of(request), app)
    row = find_run(found, run)
    if row is None or row.task != task:
        raise NotFound("Couldn't find that run.")
    return _show_run(row)


def _show(app: App, task: Task, last: CronRun | None) -> CronOut:
    return CronOut(
        id=task.id,
        app=AppRef(id=app.id, name=app.name),
        command=task.entry.command,
        schedule=task.entry.schedule,
        concurrency_policy=task.entry.concurrency_policy,
        paused=task.paused or None,
        next_run_at=task.next_time(datetime.now(UTC)),
        last_run=_show_run(last) if last else None,
    )


def _show_run(run: CronRun) -> RunOut:
    return RunOut(
        id=run.id,
        task=run.task,
        process=run.process,
        state=run.state,
        minute=run.minute,
        exit_status=run.exit_status,
        reason=run.reason,
        created_at=run.created_at,
        started_at=run.started_at,
        finished_at=run.finished_at,
    )
