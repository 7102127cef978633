"""What is known of a task's runs: the panel's own rows, and what the runtime's clock has run."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from contextlib import suppress

from django.db.models import Max

from apps.catalog.models import App
from apps.formation.models import CronRun
from apps.formation.runtime import get_runtime
from paas.runtimes.base import RuntimeFailure, ScheduledRun


def runs_of(app: App, task: str) -> list[CronRun]:
    """The newest first."""
    rows = [*CronRun.objects.filter(app=app, task=task)]
    return _merged(rows, (run for run in _scheduled(app) if run.task == task), app)


def last_runs(app: App) -> dict[str, CronRun]:
    """Task → its newest run, in one query."""
    runs = CronRun.objects.filter(app=app).order_by()
    newest = runs.values("task").annotate(at=Max("created_at")).values("at")
    merged = _merged([*runs.filter(created_at__in=newest)], _scheduled(app), app)
    return {run.task: run for run in reversed(merged)}


def find_run(app: App, run_id: uuid.UUID) -> CronRun | None:
    row = CronRun.objects.filter(app=app, pk=run_id).first()
    if row is not None:
        return row
    found = (run for run in _scheduled(app) if run.id == str(run_id))
    return next((_as_row(run, app) for run in found), None)


def _scheduled(app: App) -> list[ScheduledRun]:
    """A runtime that does not answer hides no row."""
    with suppress(RuntimeFailure):
        if get_runtime().schedules:
            return get_runtime().scheduled_runs(str(app.id))
    return []


def _merged(rows: list[CronRun], scheduled: Iterable[ScheduledRun], app: App) -> list[CronRun]:
    every = [*rows, *(_as_row(run, app) for run in scheduled)]
    return sorted(every, key=lambda run: run.created_at, reverse=True)


def _as_row(run: ScheduledRun, app: App) -> CronRun:
    """As the panel's clock would have written it down; never saved."""
    return CronRun(
        id=uuid.UUID(run.id),
        app=app,
        task=run.task,
        process=run.process,
        state=run.state,
        minute=run.due,
        exit_status=run.exit_status,
        reason=run.reason[:200],
        created_at=run.due,
        started_at=run.started,
        finished_at=run.finished,
    )
