"""What runs, from pods and the ReplicaSets they are of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from paas.runtimes.base import ProcessState, ProcessStatus
from paas.runtimes.kubernetes import slots
from paas.runtimes.kubernetes.names import (
    APP,
    COMMAND,
    NAME,
    PROCESS,
    RELEASE,
    SIZE,
    Object,
    one_off_name,
)
from paas.runtimes.kubernetes.verdict import (
    containers_of,
    ending,
    memory_limit,
    newest_of,
    no_room,
    owner_of,
    uid_of,
    waiting_text,
)

_NORMAL = frozenset({"ContainerCreating", "PodInitializing", ""})


def statuses(
    deployments: Iterable[Object], replicasets: Iterable[Object], pods: Iterable[Object]
) -> list[ProcessStatus]:
    """All processes, and the one-offs that have not ended."""
    pods = list(pods)
    releases = releases_of(list(deployments), list(replicasets))
    numbers = slots.numbered(pods)
    found = (_status(pod, releases, numbers) for pod in pods)
    return sorted((one for one in found if one is not None), key=lambda one: one.name)


def name_of(pod: Object, numbers: Mapping[str, int]) -> str:
    """ "web.1", or a one-off's "run.12"; "" for a pod that is no process."""
    if once := one_off_name(pod):
        return once
    if PROCESS not in (pod["metadata"].get("labels") or {}):
        return ""
    return f"{type_of(pod)}.{numbers.get(uid_of(pod), 1)}"


def type_of(pod: Object) -> str:
    """The process type, by its true name."""
    if once := one_off_name(pod):
        return once.partition(".")[0]
    meta = pod["metadata"]
    named = (meta.get("annotations") or {}).get(NAME)
    return str(named or (meta.get("labels") or {}).get(PROCESS, ""))


def releases_of(deployments: list[Object], replicasets: list[Object]) -> dict[str, int]:
    """ReplicaSet's uid → the release its pods are of: the newest ones' is the Deployment's."""
    releases = {uid_of(one): _release(one["metadata"].get("annotations")) for one in replicasets}
    for deployment in deployments:
        newest = newest_of(deployment, replicasets)
        if newest is not None:
            releases[uid_of(newest)] = _release(deployment["metadata"].get("labels"))
    return releases


def _release(marks: Mapping[str, str] | None) -> int:
    text = (marks or {}).get(RELEASE, "")
    return int(text) if text.isdecimal() else 0


def _status(
    pod: Object, releases: Mapping[str, int], numbers: Mapping[str, int]
) -> ProcessStatus | None:
    meta, labels = pod["metadata"], pod["metadata"].get("labels") or {}
    name = name_of(pod, numbers)
    found = _state(pod, once=bool(one_off_name(pod)))
    if not name or found is None:
        return None
    state, since, reason = found
    annotations = meta.get("annotations") or {}
    return ProcessStatus(
        app_id=str(labels.get(APP, "")),
        name=name,
        type=type_of(pod),
        state=state,
        since=since,
        release=releases.get(owner_of(pod)) or _release(labels),
        command=annotations.get(COMMAND) or _command(pod),
        size=annotations.get(SIZE, "standard"),
        restarts=sum(int(one.get("restartCount", 0)) for one in containers_of(pod)),
        reason=reason,
    )


def _command(pod: Object) -> str:
    arguments = pod["spec"]["containers"][0].get("args") or [""]
    return str(arguments[-1])


def _state(pod: Object, *, once: bool) -> tuple[ProcessState, datetime, str] | None:
    """State, since when, and why; None for a one-off that has ended."""
    status, created = pod.get("status") or {}, _time(pod["metadata"]["creationTimestamp"])
    if once and status.get("phase") in ("Succeeded", "Failed"):
        return None
    if pod["metadata"].get("deletionTimestamp"):
        return ProcessState.STOPPING, _started(pod) or created, ""
    if status.get("phase") == "Failed":
        why = str(status.get("message") or status.get("reason") or "")
        return ProcessState.CRASHED, created, f"Process was ended by its machine: {why}"
    for container in containers_of(pod):
        return _container_state(pod, container, created, once=once)
    return ProcessState.STARTING, created, _unplaced(status)


def _unplaced(status: Object) -> str:
    for one in status.get("conditions") or []:
        if one["type"] == "PodScheduled" and one.get("reason") == "Unschedulable":
            return f"Process {no_room(str(one.get('message', ''))).reason}"
    return ""


def _container_state(
    pod: Object, container: Object, created: datetime, *, once: bool
) -> tuple[ProcessState, datetime, str] | None:
    state = container.get("state") or {}
    last = (container.get("lastState") or {}).get("terminated")
    limit = memory_limit(pod, str(container.get("name")))
    if running := state.get("running"):
        since = _time(running.get("startedAt")) if running.get("startedAt") else created
        if container.get("ready") or once:
            return ProcessState.UP, since, ""
        why = f"Process {ending(last, limit)[0]}" if last else ""
        return ProcessState.STARTING, since, why
    if ended := state.get("terminated"):
        if once:
            return None
        since = _time(ended["finishedAt"]) if ended.get("finishedAt") else created
        return ProcessState.CRASHED, since, f"Process {ending(ended, limit)[0]}"
    waiting = state.get("waiting") or {}
    reason = str(waiting.get("reason") or "")
    if reason in _NORMAL:
        return ProcessState.STARTING, created, ""
    if last:
        since = _time(last["finishedAt"]) if last.get("finishedAt") else created
        return ProcessState.CRASHED, since, f"Process {ending(last, limit)[0]}"
    message, image = str(waiting.get("message") or ""), str(container.get("image", ""))
    why, _ = waiting_text(reason, message, image)
    return ProcessState.CRASHED, created, f"Process {why}"


def _started(pod: Object) -> datetime | None:
    times = [
        one["state"]["running"]["startedAt"]
        for one in containers_of(pod)
        if (one.get("state") or {}).get("running", {}).get("startedAt")
    ]
    return _time(times[0]) if times else None


def _time(text: str) -> datetime:
    """RFC 3339 with or without fractions, in UTC."""
    return datetime.fromisoformat(text).astimezone(UTC)
