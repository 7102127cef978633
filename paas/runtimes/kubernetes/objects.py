"""From a spec to Kubernetes objects: pure functions, and the same input gives the same bytes."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass

from paas.runtimes.base import AppSpec, ProcessSpec, Size
from paas.runtimes.kubernetes import pods
from paas.runtimes.kubernetes.names import (
    APP,
    COMMAND,
    MANAGED_BY,
    MANAGER,
    NAME,
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
CLOSED = "closed"
"""A Service without pods: an app in maintenance, or without a route, answers 503 by it."""
WAITS = "paas.dev/waits"
"""Annotation of a one-off whose output somebody reads: it is not an app's log's."""
PROGRESS_SECONDS = 180
_KEPT_REPLICASETS = 3


@dataclass(frozen=True)
class Routing:
    """Where an app answers; `version` is `AppSpec.routing`."""

    hosts: tuple[str, ...]
    maintenance: bool
    version: int


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
        return environment_secret(
            self.namespace, self._spec.app_id, self._spec.environment, self._spec.release
        )

    def deployments(self) -> list[Object]:
        return [self._deployment(process) for process in self._spec.processes]

    def companions(self) -> list[Object]:
        """What stands beside the Deployments: Service, budgets, autoscalers."""
        made = [service(self.namespace, self._spec.app_id)]
        for process in self._spec.processes:
            name = self.names[process.type]
            least = process.autoscale.minimum if process.autoscale else process.quantity
            if least >= 2:
                made.append(disruption_budget(self.namespace, self._spec.app_id, name))
            if process.autoscale:
                made.append(autoscaler(self.namespace, self._spec.app_id, name, process))
        return made

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
        return _made(body)

    def routing(self) -> Routing:
        """The spec's; a newer one may hold."""
        return Routing(self._spec.hosts, self._spec.maintenance, self._spec.routing)


def namespace(name: str, app_id: str, app_name: str) -> Object:
    """With PodSecurity `restricted`: a pod that asks for more is refused."""
    level = {
        f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("audit", "enforce", "warn")
    }
    return _made(
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
    return _made(
        {
            **_head("v1", "ServiceAccount", namespace, "app", app_id),
            "automountServiceAccountToken": False,
        }
    )


def network_policy(namespace: str, app_id: str, ingress_namespace: str) -> Object:
    """In: the ingress controller and the app itself. Out: all but the cloud's metadata."""
    controller = {"matchLabels": {"kubernetes.io/metadata.name": ingress_namespace}}
    return _made(
        {
            **_head("networking.k8s.io/v1", "NetworkPolicy", namespace, "app", app_id),
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


def environment_secret(
    namespace: str, app_id: str, environment: Mapping[str, str], release: int
) -> Object:
    """Named by its contents: the same environment is the same Secret, and needs no new pods."""
    head = _head("v1", "Secret", namespace, pods.environment_secret(environment), app_id)
    head["metadata"]["labels"] |= {PART: "environment", RELEASE: str(release)}
    return _made({**head, "type": "Opaque", "immutable": True, "data": encoded(environment)})


def encoded(values: Mapping[str, str]) -> dict[str, str]:
    """As a Secret's `data`: of `stringData` a key that is left out would stay."""
    return {
        key: base64.b64encode(value.encode("utf-8", "surrogateescape")).decode()
        for key, value in sorted(values.items())
    }


def service(namespace: str, app_id: str, *, closed: bool = False) -> Object:
    """Leads to the web processes, or to nothing."""
    nothing = {APP: app_id, PART: CLOSED}  # no pod has this label
    return _made(
        {
            **_head("v1", "Service", namespace, CLOSED if closed else WEB, app_id),
            "spec": {
                "selector": nothing if closed else pods.selector_labels(app_id, WEB),
                "ports": [{"name": "http", "port": 80, "targetPort": "http"}],
            },
        }
    )


def disruption_budget(namespace: str, app_id: str, name: str) -> Object:
    return _made(
        {
            **_head("policy/v1", "PodDisruptionBudget", namespace, name, app_id),
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
    return _made(
        {
            **_head("autoscaling/v2", "HorizontalPodAutoscaler", namespace, name, app_id),
            "spec": {
                "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
                "minReplicas": scaling.minimum,
                "maxReplicas": scaling.maximum,
                "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": load}}],
            },
        }
    )


# --- routes ---------------------------------------------------------------------
def routes(
    settings: ClusterSettings, namespace: str, app_id: str, routing: Routing
) -> list[Object]:
    """An Ingress or an HTTPRoute, and in maintenance the Service that answers 503."""
    target = CLOSED if routing.maintenance else WEB
    made = [service(namespace, app_id, closed=True)] if routing.maintenance else []
    if routing.hosts:
        build = _http_route if settings.gateway else _ingress
        made.append(build(settings, namespace, app_id, routing.hosts, target))
    return made


def certificate_secret(host: str) -> str:
    """Where cert-manager puts a host's certificate; its Certificate has the same name."""
    return f"tls-{digest(host)}"


def _ingress(
    settings: ClusterSettings, namespace: str, app_id: str, hosts: tuple[str, ...], target: str
) -> Object:
    head = _head("networking.k8s.io/v1", "Ingress", namespace, WEB, app_id)
    if settings.cluster_issuer:
        issuer = {"cert-manager.io/cluster-issuer": settings.cluster_issuer}
        head["metadata"]["annotations"] = issuer
    backend = {"service": {"name": target, "port": {"name": "http"}}}
    paths = [{"path": "/", "pathType": "Prefix", "backend": backend}]
    return _made(
        {
            **head,
            "spec": {
                "ingressClassName": settings.ingress_class or None,
                "tls": [_tls(settings, host) for host in hosts if _has_tls(settings, host)],
                "rules": [{"host": host, "http": {"paths": paths}} for host in hosts],
            },
        }
    )


def _has_tls(settings: ClusterSettings, host: str) -> bool:
    return bool(settings.cluster_issuer) or _is_wild(settings, host)


def _is_wild(settings: ClusterSettings, host: str) -> bool:
    """Whether the controller's default certificate, a wildcard, has this host."""
    below = host.removesuffix(f".{settings.domain}")
    return settings.wildcard and below != host and "." not in below


def _tls(settings: ClusterSettings, host: str) -> Object:
    """One Secret a host: a name whose certificate fails leaves the others theirs."""
    wild = _is_wild(settings, host)
    return {"hosts": [host], "secretName": None if wild else certificate_secret(host)}


def _http_route(
    settings: ClusterSettings, namespace: str, app_id: str, hosts: tuple[str, ...], target: str
) -> Object:
    """TLS is the Gateway's matter."""
    where, _, name = settings.gateway.partition("/")
    backends = [{"name": target, "port": 80}]
    prefix = {"type": "PathPrefix", "value": "/"}
    return _made(
        {
            **_head("gateway.networking.k8s.io/v1", "HTTPRoute", namespace, WEB, app_id),
            "spec": {
                "parentRefs": [{"name": name, "namespace": where}],
                "hostnames": list(hosts),
                "rules": [{"matches": [{"path": prefix}], "backendRefs": backends}],
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


def job(head: Object, pod: Object) -> Object:
    """One try; it clears itself away an hour after its end."""
    template = {"labels": head["labels"], "annotations": head["annotations"]}
    return _made(
        {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": head,
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


def pod(head: Object, spec: Object) -> Object:
    return _made({"apiVersion": "v1", "kind": "Pod", "metadata": head, "spec": spec})


def order(head: Object, body: Object) -> Object:
    """A pod that is to be made when somebody attaches, as a Secret: its name is that one's."""
    made = _head("v1", "Secret", head["namespace"], head["name"], head["labels"][APP])
    made["metadata"]["labels"] = {**head["labels"], PART: "order"}
    return _made({**made, "type": "Opaque", "data": encoded({"pod": canonical(body)})})


def decoded(secret: Object) -> dict[str, str]:
    """What `encoded` was given."""
    return {
        key: base64.b64decode(value).decode("utf-8", "surrogateescape")
        for key, value in (secret.get("data") or {}).items()
    }


def _head(api: str, kind: str, namespace: str, name: str, app_id: str) -> Object:
    metadata = {"name": name, "namespace": namespace, "labels": labels(app_id)}
    return {"apiVersion": api, "kind": kind, "metadata": metadata}


def _made(body: Object) -> Object:
    cleaned: Object = clean(body)
    assert cleaned["metadata"]["labels"][MANAGED_BY] == MANAGER
    return cleaned
