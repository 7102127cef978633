"""Jobs: pods until one succeeds, too many fail, or time is up. CronJobs: by hand."""

from __future__ import annotations

import secrets
import time
from typing import TYPE_CHECKING

from ..clock import stamp
from ..errors import ApiError, Json
from ..kinds import named
from ..store import Event
from ..verbs import Call, Deletion
from .base import (
    JOB,
    POD,
    Controller,
    Keys,
    condition,
    is_over,
    is_ready,
    is_true,
    key_of,
    owned_by,
    owner_keys,
    with_condition,
    without_zeros,
)

if TYPE_CHECKING:
    from ..cluster import Cluster

CRON_JOB = named("CronJob")
_RETRY_SECONDS = 5.0


class Jobs(Controller):
    """Runs Jobs of one completion or several; conditions as the real controller sets them."""

    def __init__(self, cluster: Cluster) -> None:
        super().__init__(cluster)
        self._started: dict[str, float] = {}
        self._finished: dict[str, float] = {}
        self._retry: dict[str, float] = {}

    def keys_of(self, event: Event) -> Keys:
        if event.kind is JOB:
            yield key_of(event.obj)
        elif event.kind is POD:
            yield from owner_keys(event.obj, "Job")

    def reconcile(self, namespace: str, name: str) -> None:
        job = self.store.get(JOB, namespace, name)
        if job is None or "deletionTimestamp" in job["metadata"]:
            return
        if is_true(job, "Complete") or is_true(job, "Failed"):
            self._expire(job)
            return
        pods = [obj for kind, obj in self.store.owned(job["metadata"]["uid"]) if kind is POD]
        active = [pod for pod in pods if not is_over(pod)]
        if job["spec"].get("suspend"):
            self._suspend(job, active)
            return
        self._begin(job)
        verdict = self._verdict(job, pods)
        if verdict is not None:
            self._finish(job, pods, *verdict)
            return
        if not active and self._may_retry(job, pods):
            self._create(job)
        self._report(job, [])

    def _begin(self, job: Json) -> None:
        uid, deadline = job["metadata"]["uid"], job["spec"].get("activeDeadlineSeconds")
        if uid not in self._started:
            self._started[uid] = time.monotonic()
            if deadline:
                self.again(*key_of(job), deadline + 0.01)

    def _verdict(self, job: Json, pods: list[Json]) -> tuple[str, str, str] | None:
        """(Complete or Failed, reason, message) once there is one."""
        spec = job["spec"]
        if is_true(job, "FailureTarget"):
            early = next(c for c in job["status"]["conditions"] if c["type"] == "FailureTarget")
            return "Failed", early["reason"], early["message"]
        done = sum(1 for pod in pods if pod["status"].get("phase") == "Succeeded")
        failed = [pod for pod in pods if pod["status"].get("phase") == "Failed"]
        if done >= spec["completions"]:
            text = "Reached expected number of succeeded pods"
            return "Complete", "CompletionsReached", text
        rule = _failing_rule(job, failed)
        if rule:
            return "Failed", "PodFailurePolicy", rule
        if len(failed) > spec["backoffLimit"]:
            text = "Job has reached the specified backoff limit"
            return "Failed", "BackoffLimitExceeded", text
        deadline = spec.get("activeDeadlineSeconds")
        began = self._started[job["metadata"]["uid"]]
        if deadline and self.clock.elapsed(began) >= deadline:
            text = "Job was active longer than specified deadline"
            return "Failed", "DeadlineExceeded", text
        return None

    def _finish(self, job: Json, pods: list[Json], kind: str, reason: str, text: str) -> None:
        """First the early condition; the last one when no pod is left running."""
        early = "SuccessCriteriaMet" if kind == "Complete" else "FailureTarget"
        active = [pod for pod in pods if not is_over(pod)]
        for pod in active:
            if "deletionTimestamp" not in pod["metadata"]:
                self.verbs.delete(POD, *key_of(pod), Deletion(), Call())
        rows = [condition(early, True, reason, text)]
        if not is_true(job, early):
            self._report(job, rows)
            return
        if active:
            return
        rows.append(condition(kind, True, reason, text))
        self._finished[job["metadata"]["uid"]] = time.monotonic()
        word = "Normal" if kind == "Complete" else "Warning"
        event = ("Completed", "Job completed") if kind == "Complete" else (reason, text)
        self.cluster.event(JOB, job, word, *event)
        self._report(job, rows)

    def _expire(self, job: Json) -> None:
        """Deletes a finished Job after its ttlSecondsAfterFinished."""
        ttl = job["spec"].get("ttlSecondsAfterFinished")
        if ttl is None:
            return
        uid = job["metadata"]["uid"]
        left = ttl - self.clock.elapsed(self._finished.setdefault(uid, time.monotonic()))
        if left <= 0:
            self.verbs.delete(JOB, *key_of(job), Deletion(policy="Background"), Call())
        else:
            self.again(*key_of(job), left + 0.01)

    def _suspend(self, job: Json, active: list[Json]) -> None:
        for pod in active:
            if "deletionTimestamp" not in pod["metadata"]:
                self.verbs.delete(POD, *key_of(pod), Deletion(), Call())
        self._started.pop(job["metadata"]["uid"], None)
        self._report(job, [condition("Suspended", True, "JobSuspended", "Job suspended")])

    def _may_retry(self, job: Json, pods: list[Json]) -> bool:
        """After a failure only some seconds later; then looks again."""
        uid = job["metadata"]["uid"]
        if not pods:
            return True
        pause = _RETRY_SECONDS * 2 ** (len(pods) - 1)
        left = pause - self.clock.elapsed(self._retry.setdefault(f"{uid}/{len(pods)}",
                                                                 time.monotonic()))  # fmt: skip
        if left > 0:
            self.again(*key_of(job), left + 0.01)
        return bool(left <= 0)

    def _create(self, job: Json) -> None:
        namespace, name = key_of(job)
        template = job["spec"]["template"]
        metadata = {
            **template["metadata"], "generateName": f"{name}-",
            "ownerReferences": owned_by(JOB, job),
        }  # fmt: skip
        for _ in range(job["spec"]["parallelism"]):
            try:
                body = {"metadata": metadata, "spec": template["spec"]}
                pod = self.verbs.create(POD, namespace, body, Call(validation="Ignore"))
            except ApiError as error:
                text = f"Error creating: {error.message}"
                self.cluster.event(JOB, job, "Warning", "FailedCreate", text)
                self.again(namespace, name, _RETRY_SECONDS)
                return
            text = f"Created pod: {pod['metadata']['name']}"
            self.cluster.event(JOB, job, "Normal", "SuccessfulCreate", text)

    def _report(self, job: Json, rows: list[Json]) -> None:
        pods = [obj for kind, obj in self.store.owned(job["metadata"]["uid"]) if kind is POD]
        old = job.get("status", {})
        conditions = old.get("conditions", [])
        if old and not job["spec"].get("suspend") and is_true(job, "Suspended"):
            rows = [*rows, condition("Suspended", False, "JobResumed", "Job resumed")]
        for row in rows:
            timed = {**row, "lastProbeTime": row["lastTransitionTime"]}
            if not is_true(job, row["type"]) or row["status"] != "True":
                conditions = with_condition(conditions, timed)
        phases = [pod["status"].get("phase") for pod in pods]
        active = [pod for pod in pods if not is_over(pod)]
        going = [pod for pod in active if "deletionTimestamp" in pod["metadata"]]
        status = without_zeros(
            {
                "active": len(active) - len(going),
                "succeeded": phases.count("Succeeded"),
                "failed": phases.count("Failed"),
                "conditions": conditions or None,
                "startTime": old.get("startTime") or stamp(),
            }
        )
        status["ready"] = sum(1 for pod in active if is_ready(pod))
        status["terminating"] = len(going)
        status["uncountedTerminatedPods"] = {}
        if any(c["type"] == "Complete" and c["status"] == "True" for c in conditions):
            status["completionTime"] = old.get("completionTime") or stamp()
        self.verbs.set_status(JOB, job, status)


def _failing_rule(job: Json, failed: list[Json]) -> str:
    """The message of a podFailurePolicy rule that fails the Job at once."""
    rules = (job["spec"].get("podFailurePolicy") or {}).get("rules", [])
    for pod in failed:
        for index, rule in enumerate(rules):
            for row in pod["status"].get("containerStatuses", []):
                code = (row["state"].get("terminated") or {}).get("exitCode")
                wanted = rule.get("onExitCodes") or {}
                inside = code in wanted.get("values", [])
                if rule["action"] == "FailJob" and inside == (wanted.get("operator") == "In"):
                    return (
                        f"Container {row['name']} for pod {'/'.join(key_of(pod))} failed with exit"
                        f" code {code} matching FailJob rule at index {index}"
                    )
    return ""


def start_cron_job(cluster: Cluster, namespace: str, name: str) -> Json:
    """Starts a CronJob's Job, as its schedule would."""
    cron_job = cluster.verbs.get(CRON_JOB, namespace, name)
    template = cron_job["spec"]["jobTemplate"]
    metadata = {
        "name": f"{name}-{int(time.time()) // 60}{secrets.randbelow(1000):03}",
        "labels": template.get("metadata", {}).get("labels", {}),
        "annotations": {"batch.kubernetes.io/cronjob-scheduled-timestamp": stamp()},
        "ownerReferences": owned_by(CRON_JOB, cron_job),
    }
    body = {"metadata": metadata, "spec": template["spec"]}
    job = cluster.verbs.create(JOB, namespace, body, Call(validation="Ignore"))
    status = {**cron_job.get("status", {}), "lastScheduleTime": stamp()}
    cluster.verbs.set_status(CRON_JOB, cron_job, status)
    return job
