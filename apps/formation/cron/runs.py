"""Carrying a cron run out: started as a detached one-off, its end noticed by whoever ticks."""

from __future__ import annotations

import threading
from datetime import timedelta

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone

from apps.accounts.errors import NotFound
from apps.formation.cron.tasks import get_task
from apps.formation.events import tell_process
from apps.formation.helm import next_one_off
from apps.formation.models import RUN_ARROWS, CronRun, RunState
from apps.formation.runtime import get_runtime
from apps.formation.spec import process_types, spec_of
from apps.releases.queries import current_release
from paas import faults, leases
from paas.leases import Heartbeat, LeaseLost, move, unleased
from paas.runtimes.base import RuntimeFailure

KEPT = 20
"""Finished runs of a task that one can look at."""
PENDING_LIMIT = timedelta(minutes=5)
"""A run that no worker could start for so long is given up: its minute is past."""

MOST_AT_ONCE = 20
"""Cron runs of one app: a task that allows overlap and never ends must not eat the machine."""
_STARTS = threading.BoundedSemaphore(4)
"""Starts in one worker: `replace` may wait 30 s for the old process, deploys must not."""

_ENDED = (RunState.SUCCEEDED, RunState.FAILED, RunState.SKIPPED)


def start(run_id: str) -> None:
    """Start a run that is due. Called again for the same one, it changes nothing."""
    if not _STARTS.acquire(blocking=False):
        return  # the sweep sends it again
    try:
        _claim_and_start(run_id)
    finally:
        _STARTS.release()


def _claim_and_start(run_id: str) -> None:
    token = leases.claim(CronRun, run_id, state=RunState.PENDING)
    if token is None:
        return
    run = CronRun.objects.select_related("app").get(pk=run_id)
    faults.point("cron.claimed")
    heartbeat = Heartbeat()
    heartbeat.keep(CronRun, run.pk, token)
    try:
        with heartbeat:
            _start(run, token, heartbeat)
    except LeaseLost:
        return
    finally:
        leases.release(CronRun, run.pk, token)


def collect() -> None:
    """Write down how runs ended; may be called by several at once.

    A run whose process nobody knows was lost with its worker or its machine.
    """
    for run in CronRun.objects.filter(unleased(), state=RunState.RUNNING).select_related("app"):
        _collect(run)
    late = timezone.now() - PENDING_LIMIT
    for run in CronRun.objects.filter(
        unleased(), state=RunState.PENDING, created_at__lt=late
    ).select_related("app"):
        _end(run, RunState.FAILED, "no worker could start it in time")


def _start(run: CronRun, token: int, heartbeat: Heartbeat) -> None:
    release = current_release(run.app)
    try:
        task = get_task(run.app, run.task)
    except NotFound:
        return _end(run, RunState.SKIPPED, "the release that is live now has no such task")
    assert release is not None and release.build is not None
    if task.entry.concurrency_policy == "replace":
        _stop_others(run, heartbeat)
    if _meets_the_clocks(run, task.entry.concurrency_policy):
        return _end(run, RunState.SKIPPED, "the run before is still going on")
    running = CronRun.objects.filter(app=run.app, state=RunState.RUNNING).count()
    if running >= MOST_AT_ONCE:
        return _end(run, RunState.SKIPPED, f"{running} cron runs of this app go on already")
    if not _move_to_running(run, token):
        return _end(run, RunState.SKIPPED, "the run before is still going on")
    faults.point("cron.running")
    command = process_types(release.build).get(task.entry.command, task.entry.command)
    tell_process(run.app, run.process, f"Starting cron task {run.task}")
    try:
        get_runtime().run(
            spec_of(release),
            command,
            name=run.process,
            detached=True,
            timeout=float(run.time_to_live),
        )
    except RuntimeFailure as error:
        _end(run, RunState.FAILED, str(error))
    return None


def _move_to_running(run: CronRun, token: int) -> bool:
    """False while a run that excludes this one goes on: the database says so."""
    process = f"cron.{next_one_off(run.app)}"
    try:
        with transaction.atomic():
            move(
                run,
                RUN_ARROWS,
                RunState.RUNNING,
                token=token,
                process=process,
                started_at=timezone.now(),
            )
    except IntegrityError:
        return False
    return True


def _stop_others(run: CronRun, heartbeat: Heartbeat) -> None:
    others = CronRun.objects.filter(app=run.app, task=run.task, state=RunState.RUNNING)
    for other in others.exclude(pk=run.pk).select_related("app"):
        # Under its lease, so that nobody takes the end we give it for one of its own.
        token = leases.claim(CronRun, other.pk, state=RunState.RUNNING)
        if token is None:
            continue
        heartbeat.keep(CronRun, other.pk, token)
        one_off = get_runtime().find_one_off(str(other.app_id), other.process)
        if one_off is not None:
            one_off.stop()
        _end(other, RunState.FAILED, "replaced by the next run")


def _meets_the_clocks(run: CronRun, policy: str) -> bool:
    """Whether a run of the runtime's own clock excludes this one; one to be replaced is stopped."""
    runtime, app_id = get_runtime(), str(run.app_id)
    if policy == "allow" or not runtime.schedules:
        return False
    found = [one for one in runtime.scheduled_runs(app_id) if one.task == run.task]
    going = [one for one in found if one.state == "running"]
    if policy == "replace":
        for one in going:
            runtime.stop(app_id, one.process)
        return False
    return bool(going)


def _collect(run: CronRun) -> None:
    try:
        one_off = get_runtime().find_one_off(str(run.app_id), run.process)
    except RuntimeFailure:
        return None  # nobody can say now; it is asked again
    if one_off is None:
        return _end(run, RunState.FAILED, _why_gone(run))
    status = one_off.wait(0)
    if status is None:
        return None
    if _is_overdue(run):
        return _end(run, RunState.FAILED, _why_gone(run))
    state = RunState.FAILED if status else RunState.SUCCEEDED
    return _end(run, state, f"exited with status {status}" if status else "", exit_status=status)


def _why_gone(run: CronRun) -> str:
    if _is_overdue(run):
        return f"stopped: it ran for more than {run.time_to_live} s"
    return "lost: the machine or the worker went down"


def _is_overdue(run: CronRun) -> bool:
    assert run.started_at is not None
    return timezone.now() - run.started_at > timedelta(seconds=run.time_to_live)


def _end(run: CronRun, state: RunState, reason: str, *, exit_status: int | None = None) -> None:
    """Settle a run, unless somebody else has."""
    try:
        move(
            run,
            RUN_ARROWS,
            state,
            reason=reason[:200],
            exit_status=exit_status,
            finished_at=timezone.now(),
        )
    except LeaseLost:
        return
    if state != RunState.SUCCEEDED:
        tell_process(run.app, run.process or "cron", f"Cron task {run.task} {state}: {reason}")
    _forget_old(run)


def _forget_old(run: CronRun) -> None:
    ended = CronRun.objects.filter(Q(state__in=_ENDED), app=run.app, task=run.task)
    kept = ended.order_by("-created_at").values_list("pk", flat=True)[:KEPT]
    ended.exclude(pk__in=list(kept)).delete()
