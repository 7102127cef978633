"""Raw pod statuses as a real Kubernetes 1.36 gave them, and what is made of them."""

from __future__ import annotations

from typing import Any

import pytest

from paas.runtimes.kubernetes.verdict import Judge, Trouble, Wanted, refusal

DEPLOYMENT: dict[str, Any] = {
    "metadata": {"uid": "d", "name": "web", "generation": 2},
    "spec": {"replicas": 1},
    "status": {"observedGeneration": 2},
}
REVISION = {"deployment.kubernetes.io/revision": "2"}
SETS = [
    {
        "metadata": {
            "uid": "new",
            "annotations": REVISION,
            "ownerReferences": [{"uid": "d", "controller": True}],
        }
    }
]
IMAGE = "nix:0/nix/store/aaaa-app.tar:latest"


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def pod(container: dict[str, Any] | None = None, **status: Any) -> dict[str, Any]:
    own = {"name": "web", "image": IMAGE, "ready": False, "restartCount": 0, "state": {}}
    return {
        "metadata": {
            "uid": "p",
            "name": "web-1",
            "creationTimestamp": "2026-11-23T06:52:36Z",
            "ownerReferences": [{"uid": "new", "controller": True}],
        },
        "spec": {
            "containers": [{"name": "web", "resources": {"limits": {"memory": "16Mi"}}}],
        },
        "status": {**status, "containerStatuses": [own | container] if container else []},
    }


def waiting(reason: str, message: str = "", **more: Any) -> dict[str, Any]:
    return pod({"state": {"waiting": {"reason": reason, "message": message}}, **more})


def after(seconds: float, *pods: dict[str, Any], **deployment: Any) -> Trouble | None:
    """The verdict once it has been so for `seconds`."""
    clock = Clock()
    judge = Judge(Wanted("web", 2, 1), clock)
    body = {**DEPLOYMENT, "status": {**DEPLOYMENT["status"], **deployment}}
    judge.trouble(body, SETS, pods)
    clock.now = seconds
    return judge.trouble(body, SETS, pods)


MOUNT = (
    "failed to mount /tmp/containerd-mount: mount source: "
    '"/nix/store/bbbb-app", target: "/run", err: no such file or directory'
)
CASES: list[tuple[float, dict[str, Any], str]] = [
    (0, waiting("ErrImagePull", "rpc error: code = NotFound desc = x: not found"), "not found"),
    (0, waiting("ImagePullBackOff", "exit status 1"), "neither on the machine nor in the binary"),
    (21, waiting("ErrImagePull", "i/o timeout"), "i/o timeout"),
    (0, waiting("CreateContainerError", MOUNT), "/nix/store/bbbb-app"),
    (0, waiting("InvalidImageName"), "no valid image name"),
    (0, waiting("ErrImageNeverPull"), "is not on the machine"),
    (6, waiting("CreateContainerConfigError", 'secret "x" not found'), 'secret "x" not found'),
    (21, waiting("SomethingNobodyKnows", "odd"), "SomethingNobodyKnows: odd"),
]


@pytest.mark.parametrize(("seconds", "one", "text"), CASES)
def test_waiting_containers(seconds: float, one: dict[str, Any], text: str) -> None:
    found = after(seconds, one)
    assert found is not None
    assert text in found.reason


@pytest.mark.parametrize(
    "one",
    [
        waiting("ErrImagePull", "i/o timeout"),
        waiting("CreateContainerConfigError", 'secret "x" not found'),
        waiting("ContainerCreating"),
        pod({"state": {"running": {"startedAt": "2026-11-23T06:52:36Z"}}}),
        pod({"state": {"terminated": {"exitCode": 1}}}),
    ],
)
def test_what_may_heal_is_given_time(one: dict[str, Any]) -> None:
    assert after(1, one) is None


def ended(**how: Any) -> dict[str, Any]:
    last = {"terminated": how}
    return pod({"restartCount": 1, "lastState": last, "state": {"waiting": {"reason": "x"}}})


@pytest.mark.parametrize(
    ("one", "text"),
    [
        (ended(exitCode=1), "exited with status 1"),
        (ended(exitCode=137, reason="OOMKilled"), "more than its 16Mi of memory"),
        (ended(exitCode=143), "ended by SIGTERM"),
        (ended(exitCode=0, reason="Completed"), "ended by itself"),
        (ended(exitCode=128, reason="StartError", message="exec: x"), "could not be started"),
    ],
)
def test_restarts_are_judged_by_how_the_last_one_ended(one: dict[str, Any], text: str) -> None:
    found = after(0, one)
    assert found is not None
    assert text in found.reason


def test_no_room() -> None:
    message = "0/1 nodes are available: 1 Insufficient cpu. preemption: 0/1 nodes are available"
    placed = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}
    one = pod(conditions=[{**placed, "message": message}])
    assert after(5, one) is None
    found = after(11, one)
    assert found is not None
    assert found.reason == "found no machine with room for it: 1 Insufficient cpu"


def test_quota_and_admission() -> None:
    quota = (
        'pods "web-1" is forbidden: exceeded quota: q, requested: requests.cpu=100m, '
        "used: requests.cpu=100m, limited: requests.cpu=150m"
    )
    condition = {"type": "ReplicaFailure", "status": "True", "message": quota}
    assert after(1, conditions=[condition]) is None
    found = after(6, conditions=[condition])
    assert found is not None
    assert "needs 100m cpu, 100m cpu of 150m cpu are taken" in found.reason
    assert "the platform's own pod template" in refusal('violates PodSecurity "restricted"').reason


def test_an_old_status_says_nothing() -> None:
    """At once after a write the Deployment still has the status of the one before."""
    done = {"replicas": 1, "updatedReplicas": 1, "availableReplicas": 1}
    judge = Judge(Wanted("web", 3, 1))
    assert not judge.is_done({**DEPLOYMENT, "status": {"observedGeneration": 2, **done}})
    late = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}
    old = {**DEPLOYMENT, "status": {"observedGeneration": 2, "conditions": [late]}}
    assert judge.trouble(old, SETS, []) is None


def test_the_pods_of_the_template_before_are_not_judged() -> None:
    """A Deployment put back to revision 3, whose ReplicaSet's watch lags behind."""
    number = {"deployment.kubernetes.io/revision": "3"}
    back = {**DEPLOYMENT, "metadata": {**DEPLOYMENT["metadata"], "annotations": number}}
    assert Judge(Wanted("web", 2, 1)).trouble(back, SETS, [ended(exitCode=3)]) is None


def test_the_deadline() -> None:
    late = {"type": "Progressing", "status": "False", "message": "has timed out progressing."}
    found = after(0, conditions=[late])
    assert found is not None
    assert found.reason == "did not become ready in time"
