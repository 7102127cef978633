"""The kinds of objects that we speak of, and where the API keeps them."""

from __future__ import annotations

from dataclasses import dataclass

from paas.runtimes.kubernetes.names import Object


@dataclass(frozen=True)
class Kind:
    """One kind. `root` is "/api/v1" or "/apis/<group>/<version>"."""

    name: str
    root: str
    plural: str
    namespaced: bool = True

    def path(self, namespace: str = "", name: str = "", part: str = "") -> str:
        """The address of a collection, an object, or a part of one ("scale")."""
        where = f"/namespaces/{namespace}" if self.namespaced and namespace else ""
        return self.root + where + f"/{self.plural}" + "".join(f"/{p}" for p in (name, part) if p)


def _group(name: str) -> str:
    return f"/apis/{name}"


NAMESPACE = Kind("Namespace", "/api/v1", "namespaces", namespaced=False)
SERVICE_ACCOUNT = Kind("ServiceAccount", "/api/v1", "serviceaccounts")
SECRET = Kind("Secret", "/api/v1", "secrets")
SERVICE = Kind("Service", "/api/v1", "services")
POD = Kind("Pod", "/api/v1", "pods")
EVENT = Kind("Event", "/api/v1", "events")
DEPLOYMENT = Kind("Deployment", _group("apps/v1"), "deployments")
REPLICASET = Kind("ReplicaSet", _group("apps/v1"), "replicasets")
JOB = Kind("Job", _group("batch/v1"), "jobs")
CRON_JOB = Kind("CronJob", _group("batch/v1"), "cronjobs")
LEASE = Kind("Lease", _group("coordination.k8s.io/v1"), "leases")
INGRESS = Kind("Ingress", _group("networking.k8s.io/v1"), "ingresses")
NETWORK_POLICY = Kind("NetworkPolicy", _group("networking.k8s.io/v1"), "networkpolicies")
GATEWAY = Kind("Gateway", _group("gateway.networking.k8s.io/v1"), "gateways")
HTTP_ROUTE = Kind("HTTPRoute", _group("gateway.networking.k8s.io/v1"), "httproutes")
BUDGET = Kind("PodDisruptionBudget", _group("policy/v1"), "poddisruptionbudgets")
AUTOSCALER = Kind("HorizontalPodAutoscaler", _group("autoscaling/v2"), "horizontalpodautoscalers")
MIDDLEWARE = Kind("Middleware", _group("traefik.io/v1alpha1"), "middlewares")
CERTIFICATE = Kind("Certificate", _group("cert-manager.io/v1"), "certificates")
CHALLENGE = Kind("Challenge", _group("acme.cert-manager.io/v1"), "challenges")
POD_METRICS = Kind("PodMetrics", _group("metrics.k8s.io/v1beta1"), "pods")

_APPLIED = {
    kind.name: kind
    for kind in (
        *(NAMESPACE, SERVICE_ACCOUNT, SECRET, SERVICE, POD, DEPLOYMENT, JOB, CRON_JOB, INGRESS),
        *(NETWORK_POLICY, HTTP_ROUTE, MIDDLEWARE, BUDGET, AUTOSCALER, LEASE),
    )
}


def kind_of(body: Object) -> Kind:
    """The kind of an object that we made."""
    return _APPLIED[body["kind"]]
