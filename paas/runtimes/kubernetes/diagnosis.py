"""From what a pod's status says to what a person can act on: reason, next step, last lines."""

from __future__ import annotations

from collections.abc import Iterable

from paas.runtimes.base import NotHealthy
from paas.runtimes.kubernetes import pods, slots
from paas.runtimes.kubernetes.cluster import Cluster
from paas.runtimes.kubernetes.names import NAME, Object
from paas.runtimes.kubernetes.verdict import Trouble, containers_of, uid_of

_LINES = 20
_BIND = "Bind to 0.0.0.0, port $PORT, soon after the start; move slow work to later."


def not_healthy(
    cluster: Cluster, process: str, trouble: Trouble, all_pods: Iterable[Object]
) -> NotHealthy:
    """The error for a process type that does not come up."""
    pod = trouble.pod
    if pod is None:
        return NotHealthy(f"{process}.1", trouble.reason, hint=trouble.hint)
    number = slots.numbered(all_pods).get(uid_of(pod), 1)
    reason, hint = trouble.reason, trouble.hint
    said = _probe_said(cluster, pod)
    if said and (_was_probed_to_death(trouble, pod) or "ready" in reason):
        reason, hint = _probe_text(cluster, said, reason)
    output = tuple(last_lines(cluster, pod, previous=trouble.previous))
    return NotHealthy(f"{process}.{number}", reason, hint=hint, output=output)


def type_of(body: Object) -> str:
    """The process type that a Deployment or a pod is of, by its true name."""
    return str((body["metadata"].get("annotations") or {}).get(NAME, body["metadata"]["name"]))


def last_lines(cluster: Cluster, pod: Object, *, previous: bool) -> list[str]:
    """What its container printed last; from the status where the log is gone."""
    for status in containers_of(pod):
        name = str(status["name"])
        if not (status.get("state") or {}).get("waiting") or previous:
            lines = cluster.log_tail(pod, name, previous=previous, lines=_LINES)
            if lines:
                return lines
        ended = (status.get("state") or {}).get("terminated") or (
            status.get("lastState") or {}
        ).get("terminated")
        if ended and ended.get("message"):
            return str(ended["message"]).splitlines()[-_LINES:]
    return []


def _was_probed_to_death(trouble: Trouble, pod: Object) -> bool:
    """Ended by the kubelet's SIGTERM or SIGKILL, or at it in good order, before it was ready."""
    if "memory" in trouble.reason:
        return False
    ends = [(one.get("lastState") or {}).get("terminated") or {} for one in containers_of(pod)]
    return any(end.get("exitCode") in (0, 137, 143) for end in ends if end)


def _probe_said(cluster: Cluster, pod: Object) -> str:
    """The last complaint of a startup or readiness probe."""
    said = ""
    for event in cluster.events(pod):
        message = str(event.get("message", ""))
        if event.get("reason") == "Unhealthy" and not message.startswith("Liveness"):
            said = message
    return said


def _probe_text(cluster: Cluster, said: str, reason: str) -> tuple[str, str]:
    """`Startup probe failed: dial tcp 10.0.0.7:8080: connect: connection refused`."""
    seconds = cluster.settings.boot_seconds
    what = said.split(" probe failed: ", 1)[-1].strip()
    if "dial tcp" in what or "connection refused" in what:
        return f"did not accept connections on $PORT ({pods.PORT}) within {seconds} seconds", _BIND
    hint = "The check is in app.json under healthchecks; `path` and `timeout` are set there."
    return f"started, but failed its health check for {seconds} seconds: {what}", hint
