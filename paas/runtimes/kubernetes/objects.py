"""From a spec to Kubernetes objects: pure functions, and the same input gives the same bytes."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from paas.runtimes.base import AppSpec, CronTask, HostCertificate, ProcessSpec, Size
from paas.runtimes.kubernetes import pods
from paas.runtimes.kubernetes.names import (
    APP,
    COMMAND,
    CRON,
    MANAGED_BY,
    MANAGER,
    NAME,
    NUMBER,
    ONE_OFF,
    PART,
    RELEASE,
    SIZE,
    Object,
    canonical,
    clean,
    digest,
    labels,
    namespace_of,
    object_name,
    object_names,
)
from paas.runtimes.kubernetes.settings import ClusterSettings

WEB = "web"
WAITS = "paas.dev/waits"
"""Annotation of a one-off whose output somebody reads: it is not an app's log's."""
PROGRESS_SECONDS = 180
_KEPT_REPLICASETS = 3


class AppObjects:
    """All objects of one spec.

    Args:
        rolls: process type → how often all its processes were asked to restart.
    """

    def __init__(
        self, settings: ClusterSettings, spec: AppSpec, rolls: Mapping[str, int] | None = None
    ) -> None:
        self._settings, self._spec = settings, spec
        self._rolls = rolls or {}
        self.names = object_names(process.type for process in spec.processes)
        self.namespace = namespace_of(settings.namespace_prefix, spec.app_id)

    def ground(self) -> list[Object]:
        """What everything else stands on, in the order in which it must be made."""
        app_id = self._spec.app_id
        return [
            namespace(self.namespace, app_id, self._spec.name),
            service_account(self.namespace, app_id),
            network_policy(self.namespace, app_id, self._settings.ingress_namespace),
            self.environment(),
        ]

    def environment(self) -> Object:
        return environment_secret(self.namespace, self._spec.app_id, self._spec.environment)

    def deployments(self) -> list[Object]:
        return [self._deployment(process) for process in self._spec.processes]

    def companions(self) -> list[Object]:
        """What stands beside the Deployments: Service, budgets, autoscalers, cron, certificates."""
        found = [service(self.namespace, self._spec.app_id)]
        found += (
            certificate(self.namespace, self._spec.app_id, c) for c in self._spec.certificates
        )
        found += (cron_job(self._settings, self._spec, self.namespace, t) for t in self._spec.cron)
        for process in self._spec.processes:
            name = self.names[process.type]
            least = process.autoscale.minimum if process.autoscale else process.quantity
            if least >= 2:
                found.append(disruption_budget(self.namespace, self._spec.app_id, name))
            if process.autoscale:
                found.append(autoscaler(self.namespace, self._spec.app_id, name, process))
        return found

    def _deployment(self, process: ProcessSpec) -> Object:
        name, spec = self.names[process.type], self._spec
        release = str(spec.release)
        steady = 0 if process.routed else self._settings.steady_seconds
        uptimes = [int(c.uptime) for c in process.checks if c.uptime and c.type == "startup"]
        body = {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {
                "name": name,
                "namespace": self.namespace,
                "labels": labels(spec.app_id, **pods.selector_labels(spec.app_id, name))
                | {RELEASE: release},
                # Annotations are copied to the ReplicaSet: so its pods know their release.
                "annotations": {NAME: process.type, RELEASE: release},
            },
            "spec": {
                "revisionHistoryLimit": _KEPT_REPLICASETS,
                "progressDeadlineSeconds": PROGRESS_SECONDS,
                "minReadySeconds": max([steady, *uptimes]) or None,
                "strategy": {
                    "type": "RollingUpdate",
                    "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1},
                },
                "selector": {"matchLabels": pods.selector_labels(spec.app_id, name)},
                "template": pods.process_template(
                    self._settings, spec, process, name, self._rolls.get(process.type, 0)
                ),
            },
        }
        return made(body)


def namespace(name: str, app_id: str, app_name: str) -> Object:
    """With PodSecurity `restricted`: a pod that asks for more is refused."""
    level = {
        f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("audit", "enforce", "warn")
    }
    return made(
        {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {
                "name": name,
                "labels": labels(app_id)
                | level
                | {
                    "pod-security.kubernetes.io/enforce-version": "latest",
                    "app.kubernetes.io/name": app_name,
                },
                "annotations": {NAME: app_name},
            },
        }
    )


def service_account(namespace: str, app_id: str) -> Object:
    return made(
        {
            **head("v1", "ServiceAccount", namespace, "app", app_id),
            "automountServiceAccountToken": False,
        }
    )


def network_policy(namespace: str, app_id: str, ingress_namespace: str) -> Object:
    """In: the ingress controller and the app itself. Out: all but the cloud's metadata."""
    controller = {"matchLabels": {"kubernetes.io/metadata.name": ingress_namespace}}
    return made(
        {
            **head("networking.k8s.io/v1", "NetworkPolicy", namespace, "app", app_id),
            "spec": {
                "podSelector": {},
                "policyTypes": ["Egress", "Ingress"],
                "ingress": [{"from": [{"podSelector": {}}, {"namespaceSelector": controller}]}],
                "egress": [
                    {
                        "to": [
                            {"ipBlock": {"cidr": "0.0.0.0/0", "except": ["169.254.169.254/32"]}},
                            {"ipBlock": {"cidr": "::/0", "except": ["fd00:ec2::254/128"]}},
                            {"namespaceSelector": {}},
                        ]
                    }
                ],
            },
        }
    )


def environment_secret(namespace: str, app_id: str, environment: Mapping[str, str]) -> Object:
    """Named by its contents: the same environment is the same Secret, and needs no new pods.

    It says of no release: several may have it, and one that fails must leave no trace.
    """
    body = head("v1", "Secret", namespace, pods.environment_secret(environment), app_id)
    body["metadata"]["labels"] |= {PART: "environment"}
    return made({**body, "type": "Opaque", "immutable": True, "data": encoded(environment)})


def encoded(values: Mapping[str, str]) -> dict[str, str]:
    """As a Secret's `data`: of `stringData` a key that is left out would stay."""
    return {
        key: base64.b64encode(value.encode("utf-8", "surrogateescape")).decode()
        for key, value in sorted(values.items())
    }


def service(namespace: str, app_id: str) -> Object:
    """Leads to the web processes."""
    return made(
        {
            **head("v1", "Service", namespace, WEB, app_id),
            "spec": {
                "selector": pods.selector_labels(app_id, WEB),
                "ports": [{"name": "http", "port": 80, "targetPort": "http"}],
            },
        }
    )


def disruption_budget(namespace: str, app_id: str, name: str) -> Object:
    return made(
        {
            **head("policy/v1", "PodDisruptionBudget", namespace, name, app_id),
            "spec": {
                "maxUnavailable": 1,
                "unhealthyPodEvictionPolicy": "AlwaysAllow",
                "selector": {"matchLabels": pods.selector_labels(app_id, name)},
            },
        }
    )


def autoscaler(namespace: str, app_id: str, name: str, process: ProcessSpec) -> Object:
    scaling = process.autoscale
    assert scaling is not None
    load = {"type": "Utilization", "averageUtilization": scaling.cpu}
    return made(
        {
            **head("autoscaling/v2", "HorizontalPodAutoscaler", namespace, name, app_id),
            "spec": {
                "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
                "minReplicas": scaling.minimum,
                "maxReplicas": scaling.maximum,
                "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": load}}],
            },
        }
    )


def certificate(namespace: str, app_id: str, given: HostCertificate) -> Object:
    """Named by its contents, like an environment: a new one never replaces it half-way."""
    body = head("v1", "Secret", namespace, certificate_name(given), app_id)
    body["metadata"]["labels"] |= {PART: "certificate"}
    data = encoded({"tls.crt": given.chain, "tls.key": given.key})
    return made({**body, "type": "kubernetes.io/tls", "immutable": True, "data": data})


def certificate_name(given: HostCertificate) -> str:
    return f"cert-{digest([given.chain, given.key])}"


def certificates_of_hosts(certificates: Iterable[HostCertificate]) -> dict[str, str]:
    """Host → the Secret with its certificate."""
    return {host: certificate_name(one) for one in certificates for host in one.hosts}


# --- cron -----------------------------------------------------------------------
_POLICIES = {"forbid": "Forbid", "allow": "Allow", "replace": "Replace"}
LATEST_START = 300
"""Seconds after its minute that a run may still begin: a cluster that is busy is not down."""
_KEPT_RUNS = 5
"""Finished runs of a task that one can look at, of either end."""


def cron_job(settings: ClusterSettings, spec: AppSpec, namespace: str, task: CronTask) -> Object:
    """The cluster's clock starts it; what it starts is read as one-offs are (`cron`)."""
    marks = {CRON: task.id, NUMBER: str(task.number)}
    size = Size()
    body = head("batch/v1", "CronJob", namespace, f"cron-{task.id}", spec.app_id)
    body["metadata"]["labels"] |= marks
    body["metadata"]["annotations"] = {COMMAND: task.command}
    template = {
        "labels": labels(spec.app_id) | marks | {RELEASE: str(spec.release)},
        "annotations": {COMMAND: task.command, SIZE: size.name},
    }
    secret = pods.environment_secret(spec.environment)
    pod = pods.one_off_pod(
        settings, spec, task.command, size, secret=secret, timeout=None, attached=False
    )
    return made(
        {
            **body,
            "spec": {
                "schedule": task.schedule,
                "timeZone": "Etc/UTC",
                "concurrencyPolicy": _POLICIES[task.policy],
                "suspend": task.suspended,
                "startingDeadlineSeconds": LATEST_START,
                "successfulJobsHistoryLimit": _KEPT_RUNS,
                "failedJobsHistoryLimit": _KEPT_RUNS,
                "jobTemplate": {
                    "metadata": template,
                    "spec": {
                        "backoffLimit": 0,
                        "activeDeadlineSeconds": task.timeout,
                        "template": {"metadata": template, "spec": pod},
                    },
                },
            },
        }
    )


# --- one-offs -------------------------------------------------------------------
@dataclass(frozen=True)
class OneOffOrder:
    """What `run` was asked for. `name` is "run.12"; `waits`: somebody reads its output."""

    name: str
    command: str
    size: Size
    waits: bool


def one_off_head(spec: AppSpec, namespace: str, order: OneOffOrder) -> Object:
    """Metadata of a one-off's Job and pod."""
    return {
        "name": object_name(order.name.replace(".", "-")),
        "namespace": namespace,
        "labels": labels(spec.app_id) | {ONE_OFF: order.name, RELEASE: str(spec.release)},
        "annotations": {
            COMMAND: order.command,
            SIZE: order.size.name,
            WAITS: "yes" if order.waits else None,
        },
    }


def job(meta: Object, pod: Object) -> Object:
    """One try; it clears itself away an hour after its end."""
    template = {"labels": meta["labels"], "annotations": meta["annotations"]}
    return made(
        {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": meta,
            "spec": {
                "backoffLimit": 0,
                "activeDeadlineSeconds": pod.get("activeDeadlineSeconds"),
                "ttlSecondsAfterFinished": 3600,
                "template": {
                    "metadata": template,
                    "spec": {k: v for k, v in pod.items() if k != "activeDeadlineSeconds"},
                },
            },
        }
    )


def pod(meta: Object, spec: Object) -> Object:
    return made({"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec})


def order(meta: Object, body: Object) -> Object:
    """A pod that is to be made when somebody attaches, as a Secret: its name is that one's."""
    secret = head("v1", "Secret", meta["namespace"], meta["name"], meta["labels"][APP])
    secret["metadata"]["labels"] = {**meta["labels"], PART: "order"}
    return made({**secret, "type": "Opaque", "data": encoded({"pod": canonical(body)})})


def decoded(secret: Object) -> dict[str, str]:
    """What `encoded` was given."""
    return {
        key: base64.b64decode(value).decode("utf-8", "surrogateescape")
        for key, value in (secret.get("data") or {}).items()
    }


def head(api: str, kind: str, namespace: str, name: str, app_id: str) -> Object:
    """How every object of an app begins."""
    metadata = {"name": name, "namespace": namespace, "labels": labels(app_id)}
    return {"apiVersion": api, "kind": kind, "metadata": metadata}


def made(body: Object) -> Object:
    """`body` as it is sent: the same input gives the same bytes."""
    cleaned: Object = clean(body)
    assert cleaned["metadata"]["labels"][MANAGED_BY] == MANAGER
    return cleaned
