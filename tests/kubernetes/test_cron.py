"""CronJobs: what they say, what they start, how that is seen and stopped."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from paas.runtimes.base import AppSpec, CronTask, ScheduledRun
from paas.runtimes.kubernetes import KubernetesRuntime, kinds
from paas.runtimes.kubernetes.cron import run_of
from paas.runtimes.kubernetes.names import MOST
from paas.runtimes.kubernetes.view import ClusterView
from tests.fakekube.server import FakeKube
from tests.kubernetes.conftest import SETTINGS, make_spec, web
from tests.kubernetes.driving import deploy, namespace, objects, versions

Within = Callable[..., None]


def task(command: str = "echo tidied", number: int = 0, **more: Any) -> CronTask:
    given = {"policy": "forbid", "suspended": False, "timeout": 60, "schedule": "*/5 * * * *"}
    return CronTask(f"aaaa000{number}", number, command, **given | more)


def with_tasks(*tasks: CronTask, **more: Any) -> AppSpec:
    return make_spec(web(), cron=tasks, **more)


def cron_jobs(kube: FakeKube, spec: AppSpec) -> dict[str, Any]:
    found = objects(kube, spec, kinds.CRON_JOB)
    return {name: body["spec"] for (_, name), body in found.items()}


def test_an_entry_becomes_a_cron_job(kube: FakeKube, runtime: KubernetesRuntime) -> None:
    spec = with_tasks(task(), task("report", 1, policy="replace", suspended=True))
    deploy(runtime, spec)
    made = cron_jobs(kube, spec)
    assert set(made) == {"cron-aaaa0000", "cron-aaaa0001"}
    assert all(len(name) <= MOST for name in made)
    first, second = made["cron-aaaa0000"], made["cron-aaaa0001"]
    assert (first["schedule"], first["timeZone"]) == ("*/5 * * * *", "Etc/UTC")
    assert (first["concurrencyPolicy"], second["concurrencyPolicy"]) == ("Forbid", "Replace")
    assert (first["suspend"], second["suspend"]) == (False, True)
    assert first["startingDeadlineSeconds"] == 300
    assert (first["successfulJobsHistoryLimit"], first["failedJobsHistoryLimit"]) == (5, 5)
    job = first["jobTemplate"]["spec"]
    assert (job["backoffLimit"], job["activeDeadlineSeconds"]) == (0, 60)
    assert "ttlSecondsAfterFinished" not in job, "the history keeps them"
    pod = job["template"]["spec"]
    (container,) = pod["containers"]
    web_pod = objects(kube, spec, kinds.DEPLOYMENT)["Deployment", "web"]["spec"]["template"]["spec"]
    assert container["image"] == spec.artifact.image
    assert container["envFrom"] == web_pod["containers"][0]["envFrom"]
    assert pod["restartPolicy"] == "Never"
    assert pod["securityContext"]["runAsNonRoot"] is True


def test_the_same_again_changes_nothing_and_what_is_gone_is_pruned(
    kube: FakeKube, runtime: KubernetesRuntime
) -> None:
    spec = with_tasks(task(), task("report", 1))
    deploy(runtime, spec, 1)
    before = versions(kube, spec)
    deploy(runtime, spec, 2)
    assert versions(kube, spec) == before
    assert runtime.drift([spec]) == {}
    fewer = replace(spec, cron=(task(suspended=True),))
    assert "CronJob cron-aaaa0000 was changed: spec.suspend" in runtime.drift([fewer])[spec.app_id]
    assert "- CronJob cron-aaaa0001" in runtime.preview(fewer)
    deploy(runtime, fewer, 3)
    assert set(cron_jobs(kube, spec)) == {"cron-aaaa0000"}
    assert cron_jobs(kube, spec)["cron-aaaa0000"]["suspend"] is True


def test_a_new_release_s_environment_and_image_are_the_next_run_s(
    kube: FakeKube, runtime: KubernetesRuntime
) -> None:
    spec = with_tasks(task())
    deploy(runtime, spec, 1)
    artifact = replace(spec.artifact, image="registry.example/app:2")
    deploy(runtime, replace(spec, artifact=artifact, environment={"A": "2"}, release=2), 2)
    pod = cron_jobs(kube, spec)["cron-aaaa0000"]["jobTemplate"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    secret = container["envFrom"][0]["secretRef"]["name"]
    assert container["image"] == "registry.example/app:2"
    assert ("Secret", secret) in objects(kube, spec, kinds.SECRET)


def test_what_the_clock_starts_is_seen_as_a_one_off(
    kube: FakeKube, runtime: KubernetesRuntime, within: Within
) -> None:
    spec = with_tasks(task("echo tidied; exit 4"), task("exec sleep 1000", 7))
    deploy(runtime, spec)
    assert runtime.scheduled_runs(spec.app_id) == []
    kube.cluster.run_cron_job(namespace(spec), "cron-aaaa0000")
    within(lambda: [r.state for r in runtime.scheduled_runs(spec.app_id)] == ["failed"])
    (run,) = runtime.scheduled_runs(spec.app_id)
    assert (run.task, run.exit_status, run.reason) == ("aaaa0000", 4, "exited with status 4")
    assert run.process.startswith("cron.") and run.process.endswith("00")
    assert run.started and run.finished
    kube.cluster.run_cron_job(namespace(spec), "cron-aaaa0007")

    def going() -> list[str]:
        return [one.name for one in runtime.observe(spec.app_id) if one.type == "cron"]

    within(going)
    (name,) = going()
    assert name.endswith("07")
    assert runtime.stop(spec.app_id, name)
    within(lambda: going() == [])
    assert not runtime.stop(spec.app_id, "cron.1200")


def test_its_lines_and_states_come_to_the_app_s_log(
    kube: FakeKube, runtime: KubernetesRuntime, within: Within
) -> None:
    spec = with_tasks(task("echo tidied"))
    deploy(runtime, spec)
    view = ClusterView(SETTINGS)
    view.observe()
    kube.cluster.run_cron_job(namespace(spec), "cron-aaaa0000")
    lines: list[tuple[str, str]] = []

    def read() -> bool:
        view.follow(lambda app_id: {} if app_id == spec.app_id else None)
        lines.extend((line.process, line.text) for line in view.take() if not line.platform)
        return any(text == "tidied" for _, text in lines)

    within(read)
    view.close()
    (run,) = runtime.scheduled_runs(spec.app_id)
    assert (run.process, "tidied") in lines


DUE = "2026-11-26T03:00:00Z"
JOB = {
    "metadata": {
        "name": "cron-aaaa0000-29403060",
        "uid": "u1",
        "creationTimestamp": DUE,
        "labels": {"paas.dev/cron": "aaaa0000", "paas.dev/cron-number": "3"},
        "annotations": {"batch.kubernetes.io/cronjob-scheduled-timestamp": DUE},
    },
    "spec": {"activeDeadlineSeconds": 60},
}


def job(*conditions: tuple[str, str]) -> dict[str, Any]:
    rows = [
        {"type": kind, "status": "True", "reason": reason, "lastTransitionTime": DUE}
        for kind, reason in conditions
    ]
    return {**JOB, "status": {"startTime": DUE, "conditions": rows}}


def pod(**state: Any) -> dict[str, Any]:
    return {
        "spec": {"containers": [{"name": "run"}]},
        "status": {"containerStatuses": [{"name": "run", "image": "img", "state": state}]},
    }


@pytest.mark.parametrize(
    ("one", "its", "wanted"),
    [
        (job(), None, ("running", None, "")),
        (job(), pod(running={}), ("running", None, "")),
        (job(), pod(terminated={"exitCode": 0}), ("succeeded", 0, "")),
        (job(), pod(terminated={"exitCode": 7}), ("failed", 7, "exited with status 7")),
        (
            job(("FailureTarget", "DeadlineExceeded")),
            pod(running={}),
            ("failed", None, "stopped: it ran for more than 60 s"),
        ),
        (job(("Complete", "CompletionsReached")), None, ("succeeded", None, "")),
        (
            job(),
            pod(waiting={"reason": "ErrImagePull", "message": "not found"}),
            ("running", None, "cannot start: its image img could not be pulled (not found)"),
        ),
        (
            job(),
            pod(waiting={"reason": "Frobnicated", "message": "who knows"}),
            ("running", None, "cannot start: Frobnicated: who knows"),
        ),
    ],
)
def test_runs_are_told_from_raw_statuses(one: Any, its: Any, wanted: tuple[Any, ...]) -> None:
    run: ScheduledRun = run_of(one, its)
    assert (run.state, run.exit_status, run.reason) == wanted
    assert run.process == "cron.2940306003"
