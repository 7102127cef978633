"""How a rollout goes, judged by the pods of the newest ReplicaSet: in seconds, not at a deadline.

Measured on Kubernetes 1.36: the Deployment itself says nothing before
`progressDeadlineSeconds`; a crashing container shows `terminated`, `running`
and `waiting` by turns, so restarts are counted and no single word is believed.
"""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from paas.runtimes.kubernetes.names import Object

REVISION = "deployment.kubernetes.io/revision"
PULL_GRACE = 20.0
"""Seconds a pull may fail for another reason than that there is no such image."""
ROOM_GRACE = 10.0
"""Seconds a pod may wait for room: pods leave, machines come."""
SHORT_GRACE = 5.0
"""Seconds until a refusal that may heal by itself counts."""
_CERTAIN = frozenset({"ErrImageNeverPull", "InvalidImageName"})
_PULL = frozenset({"ErrImagePull", "ImagePullBackOff"})
_SETUP = frozenset({"CreateContainerError", "CreateContainerConfigError", "RunContainerError"})
_NORMAL = frozenset({"ContainerCreating", "PodInitializing", "CrashLoopBackOff", ""})
_ABSENT = re.compile(r"not ?found|unauthorized|denied|does not exist|exit status 1", re.IGNORECASE)
_QUOTA = re.compile(r"exceeded quota: [^,]+, requested: (\S+?), used: (\S+?), limited: (\S+)")
_COMMAND = re.compile(r'(exec: \\?"[^"]*\\?": .*)')
_MOUNT = re.compile(r'mount source: \\?"([^"\\]+)')


@dataclass(frozen=True)
class Trouble:
    """Why a process does not come up. `pod` is where, None if there is none."""

    reason: str
    hint: str = ""
    pod: Object | None = None
    previous: bool = False  # its log is that of the container before this one


@dataclass(frozen=True)
class Wanted:
    """What was asked of a Deployment; `replicas` is None where an autoscaler decides."""

    name: str
    generation: int
    replicas: int | None
    boot_seconds: int = 60


class Judge:
    """Watches one Deployment come up; remembers since when something has been wrong."""

    def __init__(self, wanted: Wanted, clock: Callable[[], float] = time.monotonic) -> None:
        self.wanted = wanted
        self._clock = clock
        self._since: dict[tuple[str, str], float] = {}

    def is_done(self, deployment: Object | None) -> bool:
        """Whether all its pods are new and available; missing numbers mean 0."""
        if deployment is None or not self._is_seen(deployment):
            return False
        status, want = deployment.get("status") or {}, deployment["spec"].get("replicas", 1)
        if self.wanted.replicas not in (None, want):
            return False
        numbers = [status.get(k) or 0 for k in ("updatedReplicas", "replicas", "availableReplicas")]
        return all(number == want for number in numbers)

    def trouble(
        self, deployment: Object | None, replicasets: Iterable[Object], pods: Iterable[Object]
    ) -> Trouble | None:
        """What keeps it from coming up, once that is certain."""
        if deployment is None or not self._is_seen(deployment):
            return None
        conditions = _conditions(deployment)
        refused = conditions.get("ReplicaFailure")
        if refused is not None and self._lasts("ReplicaFailure", "", SHORT_GRACE):
            return refusal(str(refused.get("message", "")))
        newest = newest_of(deployment, replicasets)
        own = [pod for pod in pods if newest is not None and owner_of(pod) == uid_of(newest)]
        for pod in own:
            found = self.of_pod(pod)
            if found is not None:
                return found
        late = conditions.get("Progressing (False)")
        if late is not None:
            return Trouble("did not become ready in time", str(late.get("message", "")), _last(own))
        return None

    def _is_seen(self, deployment: Object) -> bool:
        """Whether the controller has read what we wrote; until then its status is the old one's."""
        generation = deployment["metadata"].get("generation", 0)
        observed = (deployment.get("status") or {}).get("observedGeneration", 0)
        return bool(observed >= generation >= self.wanted.generation)

    def of_pod(self, pod: Object) -> Trouble | None:
        """What keeps one pod from coming up, once that is certain."""
        if pod["metadata"].get("deletionTimestamp"):
            return None
        status = pod.get("status") or {}
        uid = uid_of(pod)
        if status.get("phase") == "Failed" and self._lasts(uid, "failed", SHORT_GRACE):
            said = ": ".join(p for p in (status.get("reason"), status.get("message")) if p)
            return Trouble(f"was ended by its machine ({said or 'it did not say why'})", pod=pod)
        placed = _conditions(pod).get("PodScheduled (False)")
        if placed is not None and placed.get("reason") == "Unschedulable":
            if self._lasts(uid, "room", ROOM_GRACE):
                return no_room(str(placed.get("message", "")))
            return None
        for container in containers_of(pod):
            found = self._of_container(pod, container)
            if found is not None:
                return found
        return None

    def _of_container(self, pod: Object, status: Object) -> Trouble | None:
        state = status.get("state") or {}
        ended = state.get("terminated") or (status.get("lastState") or {}).get("terminated")
        if ended and status.get("restartCount", 0) >= 1 and not status.get("ready"):
            reason, hint = ending(ended, memory_limit(pod, str(status.get("name"))))
            return Trouble(reason, hint, pod, previous=not state.get("terminated"))
        waiting = state.get("waiting") or {}
        reason, message = str(waiting.get("reason") or ""), str(waiting.get("message") or "")
        grace = _grace(reason, message)
        if grace is not None and self._lasts(uid_of(pod), _kind(reason), grace):
            why, hint = waiting_text(reason, message, str(status.get("image", "")))
            return Trouble(why, hint, pod)
        unready = bool(state.get("running")) and not status.get("ready")
        if not unready:
            self._since.pop((uid_of(pod), "unready"), None)
        elif self._lasts(uid_of(pod), "unready", self.wanted.boot_seconds + ROOM_GRACE):
            return Trouble("started, but is not ready", pod=pod)
        return None

    def _lasts(self, uid: str, what: str, grace: float) -> bool:
        """Whether it has been so for `grace` seconds, by our own clock."""
        now = self._clock()
        return now - self._since.setdefault((uid, what), now) >= grace


def _grace(reason: str, message: str) -> float | None:
    """After how many seconds a waiting reason counts as a failure; None: never."""
    if reason in _CERTAIN:
        return 0.0
    if reason in _PULL:
        return 0.0 if _ABSENT.search(message) else PULL_GRACE
    if reason in _SETUP:
        return 0.0 if "mount source" in message or "no such file" in message else SHORT_GRACE
    return None if reason in _NORMAL else PULL_GRACE


def _kind(reason: str) -> str:
    """Two words for one thing, which the kubelet says by turns."""
    return "pull" if reason in _PULL else reason


# --- texts -----------------------------------------------------------------------
def ending(ended: Mapping[str, object], limit: str = "") -> tuple[str, str]:
    """Why a container is no more: reason and hint."""
    code = int(str(ended.get("exitCode", 0)))
    message = str(ended.get("message") or "").strip()
    if ended.get("reason") == "OOMKilled":
        return (
            f"was killed because it used more than its {limit or 'limit'} of memory",
            "Let it use less (fewer server processes or threads), or scale it to a larger size.",
        )
    if ended.get("reason") in ("StartError", "ContainerCannotRun"):
        return f"could not be started: {message}", "Does the build contain that command?"
    if code == 0:
        return (
            "ended by itself (exit status 0)",
            "A process must stay in the foreground: switch daemon mode off, and end no shell "
            "line with `&`.",
        )
    if code > 128:
        return f"was ended by {_signal(code - 128)}", ""
    hints = {
        126: "The command exists but cannot be executed: is its file executable?",
        127: "The command was not found: is it installed by the build and spelled right?",
    }
    return f"exited with status {code}", hints.get(code, "")


def waiting_text(reason: str, message: str, image: str) -> tuple[str, str]:
    """Why a container does not begin: reason and hint."""
    short = message[:400]
    missing = _MOUNT.search(message)
    if missing:
        return (
            f"cannot start: a part of its build, {missing[1]}, is missing on the machine",
            "The machine's nix-snapshotter could not fetch that path from the binary cache. Look "
            "whether the cache holds it and the machine reaches it, then push again.",
        )
    if reason in _PULL:
        if image.startswith("nix:0"):
            where = "neither on the machine nor in the binary cache"
            return f"cannot start: the build result {image} is {where} ({short})", ""
        return f"cannot start: its image {image} could not be pulled ({short})", ""
    if reason == "InvalidImageName":
        return f"cannot start: {image} is no valid image name", ""
    if reason == "ErrImageNeverPull":
        return f"cannot start: the image {image} is not on the machine", ""
    command = _COMMAND.search(message) if reason == "RunContainerError" else None
    if command:
        return f"could not be started: {command[1]}", "Does the build contain that command?"
    if reason == "CreateContainerConfigError":
        return f"cannot start: its configuration is not usable ({short})", ""
    return f"cannot start: {reason}: {short}", "`kubectl describe pod` on the cluster says more."


def refusal(message: str) -> Trouble:
    """Why the cluster lets no pod be made."""
    if "violates PodSecurity" in message:
        return Trouble(f"was refused: the platform's own pod template broke a rule: {message}")
    quota = re.search(
        r"exceeded quota: [^,]+, requested: (\S+?), used: (\S+?), limited: (\S+)", message
    )
    if quota:
        return Trouble(
            f"found the app's quota used up: it needs {_asked(quota[1])}, {_asked(quota[2])} of "
            f"{_asked(quota[3])} are taken",
            "During a release one more process than usual runs. Scale down, or raise the quota.",
        )
    return Trouble(f"was refused by the cluster: {message[:500]}")


def no_room(message: str) -> Trouble:
    """`0/1 nodes are available: 1 Insufficient cpu. preemption: …`."""
    said = message.split(" available: ", 1)[-1].split(". ", 1)[0].rstrip(".")
    return Trouble(
        f"found no machine with room for it: {said}",
        "Scale something down, choose a smaller size, or add a machine.",
    )


def _asked(text: str) -> str:
    """`requests.cpu=100m` as "100m cpu"."""
    name, _, amount = text.partition("=")
    return f"{amount} {name.rpartition('.')[2]}"


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


# --- facts -----------------------------------------------------------------------
def newest_of(deployment: Object, replicasets: Iterable[Object]) -> Object | None:
    """The ReplicaSet of the template that was applied last; None until it is known.

    Each kind's watch has a pace of its own: the one with the highest number
    may still be that of the template before, so it must be the Deployment's.
    """
    own = [one for one in replicasets if owner_of(one) == uid_of(deployment)]
    revision = revision_of(deployment)
    if revision:
        return next((one for one in own if revision_of(one) == revision), None)
    return max(own, key=revision_of, default=None)


def revision_of(body: Object) -> int:
    text = (body["metadata"].get("annotations") or {}).get(REVISION, "")
    return int(text) if text.isdecimal() else 0


def owner_of(body: Object) -> str:
    """The uid of its controller."""
    owners = body["metadata"].get("ownerReferences") or []
    return next((str(owner["uid"]) for owner in owners if owner.get("controller")), "")


def uid_of(body: Object) -> str:
    return str(body["metadata"]["uid"])


def containers_of(pod: Object) -> list[Object]:
    """The statuses of its containers."""
    status = pod.get("status") or {}
    return [
        *(status.get("initContainerStatuses") or []),
        *(status.get("containerStatuses") or []),
    ]


def memory_limit(pod: Object, container: str) -> str:
    for one in pod["spec"].get("containers", []):
        if one["name"] == container:
            return str(((one.get("resources") or {}).get("limits") or {}).get("memory", ""))
    return ""


def _conditions(body: Object) -> dict[str, Object]:
    """By type if true, by "type (False)" if not."""
    found = {}
    for one in (body.get("status") or {}).get("conditions") or []:
        name = one["type"] if one.get("status") == "True" else f"{one['type']} ({one['status']})"
        found[str(name)] = one
    return found


def _last(pods: list[Object]) -> Object | None:
    return max(pods, key=lambda pod: str(pod["metadata"]["creationTimestamp"]), default=None)


LOST = 137
"""Exit status of what was deleted before it could say one."""


def exit_status(pod: Object) -> int | None:
    """How its container ended; None while it runs or waits."""
    for container in containers_of(pod):
        ended = (container.get("state") or {}).get("terminated")
        if ended:
            return int(ended.get("exitCode", 1))
    phase = (pod.get("status") or {}).get("phase")
    return {"Succeeded": 0, "Failed": LOST}.get(str(phase))
