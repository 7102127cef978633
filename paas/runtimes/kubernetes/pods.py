"""What a pod of ours looks like: the same confinement for processes and one-offs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from paas.runtimes.base import AppSpec, Check, ProcessSpec, RuntimeFailure, Size
from paas.runtimes.kubernetes.names import APP, NAME, PROCESS, SIZE, Object, digest, labels
from paas.runtimes.kubernetes.settings import ClusterSettings

PORT = 8080
STOP_SECONDS = 30
"""Between SIGTERM and SIGKILL, after the drain."""
_USER = 1000
_START = 'if [ -x "$1/bin/start" ]; then exec "$1/bin/start" "$2"; fi; exec /bin/sh -c "$2"'
"""Runs a command line: by the build's own entrypoint, which fills `/app` first, if it has one."""
_AWAIT = "IFS= read -r _ || exit 1; "
"""An attached process begins with the first line that is sent: earlier output would be lost."""
_CPU_OF_1024 = 100
"""Thousandths of a core that a process of 1024 shares asks for; it may use what is free."""


def image_of(spec: AppSpec) -> str:
    """The image of a release.

    Raises:
        RuntimeFailure: it was built for another runtime.
    """
    if spec.artifact.kind != "nix":
        raise RuntimeFailure(
            f"This release was built by the {spec.artifact.kind} builder, for one machine: a "
            "cluster needs an image. Set PAAS_BUILDER=nix and push again."
        )
    if not spec.artifact.image:
        raise RuntimeFailure(
            "This release has a store path but no image, which the cluster's nodes could pull. "
            "Push again to build one."
        )
    return spec.artifact.image


def process_template(
    settings: ClusterSettings, spec: AppSpec, process: ProcessSpec, name: str, rolls: int
) -> Object:
    """The pod template of a process type; what is in it decides whether pods are replaced.

    Args:
        name: the process type's object name.
        rolls: how often all its processes were asked to restart.
    """
    container = _container(spec, name, process.command, process.size)
    container["env"] = _env(process.routed)
    container |= _probes(settings, spec, process)
    grace = STOP_SECONDS
    if process.routed:
        container["ports"] = [{"name": "http", "containerPort": PORT}]
        if settings.drain_seconds:
            grace += settings.drain_seconds
            container["lifecycle"] = {"preStop": {"sleep": {"seconds": settings.drain_seconds}}}
    pod = confined(settings, container, grace)
    pod["topologySpreadConstraints"] = [
        {
            "maxSkew": 1,
            "topologyKey": "kubernetes.io/hostname",
            "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": {"matchLabels": selector_labels(spec.app_id, name)},
            "matchLabelKeys": ["pod-template-hash"],
        }
    ]
    annotations = {NAME: process.type, SIZE: process.size.name}
    if rolls:
        annotations["paas.dev/restarts"] = str(rolls)
    return {
        "metadata": {
            "labels": labels(spec.app_id) | selector_labels(spec.app_id, name),
            "annotations": annotations,
        },
        "spec": pod,
    }


def selector_labels(app_id: str, name: str) -> dict[str, str]:
    """What a Deployment finds its pods by: it can never change."""
    return {APP: app_id, PROCESS: name}


def one_off_pod(
    settings: ClusterSettings,
    spec: AppSpec,
    command: str,
    size: Size,
    *,
    secret: str,
    timeout: float | None,
    attached: bool,
) -> Object:
    """The spec of a pod that runs once; `secret` names the Secret with its environment."""
    container = _container(spec, "run", command, size, secret=secret)
    if attached:
        container["command"][2] = _AWAIT + _START
        container |= {"stdin": True, "stdinOnce": True}
    container["env"] = _env(routed=False)
    pod = confined(settings, container, STOP_SECONDS)
    pod["restartPolicy"] = "Never"
    if timeout is not None:
        pod["activeDeadlineSeconds"] = max(1, int(timeout))
    return pod


def environment_secret(environment: Mapping[str, str]) -> str:
    """The name of the Secret that holds exactly this environment."""
    return f"env-{digest(dict(environment))}"


def cpu(millicores: int) -> str:
    """As the server writes it back: `1500m`, but `2`."""
    return f"{millicores}m" if millicores % 1000 else str(millicores // 1000)


def memory(megabytes: int) -> str:
    """As the server writes it back: `512Mi`, but `2Gi`."""
    return f"{megabytes}Mi" if megabytes % 1024 else f"{megabytes // 1024}Gi"


def confined(settings: ClusterSettings, container: Object, grace: int) -> Object:
    """The spec of a pod with this one container and no rights; `grace` is in seconds."""
    return {
        "serviceAccountName": "app",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": grace,
        "nodeSelector": dict(settings.node_selector),
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": _USER,
            "runAsGroup": _USER,
            "fsGroup": _USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [{**container, **_CONFINED}],
        "volumes": [{"name": "app", "emptyDir": {}}, {"name": "tmp", "emptyDir": {}}],
    }


def _container(spec: AppSpec, name: str, command: str, size: Size, *, secret: str = "") -> Object:
    return {
        "name": name,
        "image": image_of(spec),
        "command": ["/bin/sh", "-c", _START, "paas"],
        "args": [spec.artifact.path, command],
        "workingDir": "/app",
        "envFrom": [{"secretRef": {"name": secret or environment_secret(spec.environment)}}],
        "resources": {
            "requests": {
                "cpu": cpu(max(10, size.cpu_shares * _CPU_OF_1024 // 1024)),
                "memory": memory(max(32, size.memory_mb // 4)),
            },
            "limits": {"memory": memory(size.memory_mb)},
        },
    }


_CONFINED = {
    "imagePullPolicy": "IfNotPresent",
    "securityContext": {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    },
    "terminationMessagePolicy": "FallbackToLogsOnError",
    "volumeMounts": [
        {"name": "app", "mountPath": "/app"},
        {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - the pod's own
    ],
}


def _env(routed: bool) -> list[Object]:
    """Sorted by name: another order would be another pod."""
    field = {"fieldRef": {"fieldPath": "metadata.name"}}
    own: list[Object] = [{"name": "DYNO", "valueFrom": field}, {"name": "HOME", "value": "/app"}]
    return [*own, {"name": "PORT", "value": str(PORT)}] if routed else own


# --- probes -------------------------------------------------------------------
def _probes(settings: ClusterSettings, spec: AppSpec, process: ProcessSpec) -> Object:
    """app.json's health checks; a web process has at least to accept on its port."""
    host = spec.hosts[0] if spec.hosts else ""
    startup = _first(process.checks, "startup")
    readiness = _first(process.checks, "readiness") or startup
    liveness = _first(process.checks, "liveness")
    boot = {"periodSeconds": 1, "failureThreshold": settings.boot_seconds}
    probes = {
        "startupProbe": _probe(startup, host, boot, routed=process.routed),
        "readinessProbe": _probe(readiness, host, {"periodSeconds": 5}, routed=process.routed),
    }
    if liveness is not None:
        pace = {"periodSeconds": max(1, int(liveness.wait)), "failureThreshold": liveness.attempts}
        probes["livenessProbe"] = _probe(liveness, host, pace, routed=process.routed)
    return probes


def _first(checks: Iterable[Check], kind: str) -> Check | None:
    """A container has one probe of a kind: a path says more than a port that listens."""
    alike = [check for check in checks if check.type == kind and check.uptime is None]
    return next((check for check in alike if check.path or check.command), None) or (
        alike[0] if alike else None
    )


def _probe(
    check: Check | None, host: str, pace: Mapping[str, int], *, routed: bool
) -> Object | None:
    """What to ask, and how patiently; None for a process that offers nothing to ask."""
    action = _action(check, host, routed=routed)
    if action is None:
        return None
    times = {"timeoutSeconds": max(1, int(check.timeout)) if check else 1}
    if check and check.initial_delay >= 1:
        times["initialDelaySeconds"] = int(check.initial_delay)
    return {**action, **pace, **times}


def _action(check: Check | None, host: str, *, routed: bool) -> Object | None:
    if check is not None and check.command:
        return {"exec": {"command": list(check.command)}}
    if check is not None and check.path is not None and routed:
        # Without a Host the kubelet names the pod's address, which frameworks refuse.
        headers = [{"name": "Host", "value": host}] if host else []
        return {"httpGet": {"path": check.path, "port": "http", "httpHeaders": headers}}
    return {"tcpSocket": {"port": "http"}} if routed else None
