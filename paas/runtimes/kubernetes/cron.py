"""Runs of cron tasks, which the cluster's own clock starts: read from their Jobs and pods.

The Jobs are the history: a CronJob keeps the newest of them, and their pods
know how they ended.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime

from paas.runtimes.base import ScheduledRun
from paas.runtimes.kubernetes.cluster import Cluster
from paas.runtimes.kubernetes.kinds import JOB, POD
from paas.runtimes.kubernetes.names import CRON, Object, one_off_name, selector
from paas.runtimes.kubernetes.verdict import (
    containers_of,
    ending,
    exit_status,
    memory_limit,
    owner_of,
    uid_of,
    waiting_text,
)

_DUE = "batch.kubernetes.io/cronjob-scheduled-timestamp"


def jobs(cluster: Cluster, app_id: str) -> list[Object]:
    """The Jobs that the app's CronJobs have started."""
    return cluster.client.items(JOB, cluster.namespace(app_id), labels=_selector(app_id))


def scheduled_runs(cluster: Cluster, app_id: str) -> list[ScheduledRun]:
    """The body of `Runtime.scheduled_runs`."""
    found = cluster.client.items(POD, cluster.namespace(app_id), labels=_selector(app_id))
    pods = {owner_of(pod): pod for pod in found}
    runs = [run_of(job, pods.get(uid_of(job))) for job in jobs(cluster, app_id)]
    return sorted(runs, key=lambda run: (run.due, run.started), reverse=True)


def run_of(job: Object, pod: Object | None) -> ScheduledRun:
    """What a Job and its pod say of a run; the pod knows first that it has ended, and how."""
    meta, status = job["metadata"], job.get("status") or {}
    conditions = {
        one["type"]: one for one in status.get("conditions") or [] if one["status"] == "True"
    }
    code = exit_status(pod) if pod is not None else None
    state = "running"
    if "Failed" in conditions or "FailureTarget" in conditions or code:
        state = "failed"
    elif "Complete" in conditions or code == 0:
        state = "succeeded"
    started = _time(status.get("startTime") or meta["creationTimestamp"])
    return ScheduledRun(
        id=meta["uid"],
        task=meta["labels"][CRON],
        process=one_off_name(job),
        state=state,
        due=_time((meta.get("annotations") or {}).get(_DUE) or meta["creationTimestamp"]),
        started=started,
        finished=None if state == "running" else _finished(conditions.values(), pod),
        exit_status=code,
        reason=_reason(job, conditions.get("Failed") or conditions.get("FailureTarget"), pod),
    )


def _reason(job: Object, failed: Object | None, pod: Object | None) -> str:
    """Why it failed, or why it has not begun; "" where all is well."""
    if failed is not None and failed.get("reason") == "DeadlineExceeded":
        return f"stopped: it ran for more than {job['spec'].get('activeDeadlineSeconds')} s"
    for container in containers_of(pod) if pod is not None else ():
        state = container.get("state") or {}
        ended, waiting = state.get("terminated"), state.get("waiting") or {}
        if ended and ended.get("exitCode"):
            return ending(ended, memory_limit(pod or {}, str(container.get("name"))))[0]
        reason, message = str(waiting.get("reason") or ""), str(waiting.get("message") or "")
        if reason not in ("", "ContainerCreating", "PodInitializing"):
            return waiting_text(reason, message, str(container.get("image", "")))[0]
    return str(failed.get("message", "")) if failed is not None else ""


def _finished(conditions: Iterable[Object], pod: Object | None) -> datetime | None:
    for container in containers_of(pod) if pod is not None else ():
        ended = (container.get("state") or {}).get("terminated") or {}
        if ended.get("finishedAt"):
            return _time(ended["finishedAt"])
    times = [_time(one["lastTransitionTime"]) for one in conditions]
    return max(times, default=None)


def _selector(app_id: str) -> str:
    return f"{selector(app_id)},{CRON}"


def _time(text: str) -> datetime:
    """RFC 3339, in UTC; "now" for what is none."""
    with suppress(ValueError):
        return datetime.fromisoformat(text).astimezone(UTC)
    return datetime.now(UTC)
