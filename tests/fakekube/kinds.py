"""The kinds it serves: where they live, how they are called, what they can do."""

from __future__ import annotations

from dataclasses import dataclass

ALL_VERBS = (
    "create", "delete", "deletecollection", "get", "list", "patch", "update", "watch",
)  # fmt: skip


@dataclass(frozen=True)
class Kind:
    """A kind of object.

    Args:
        plural: as in the path; subresources: those under an object's path.
        schema: the name of its definition in Kubernetes' schemas; empty for
            custom resources, whose fields below `spec` are free.
    """

    group: str
    version: str
    kind: str
    plural: str
    namespaced: bool = True
    short: tuple[str, ...] = ()
    subresources: tuple[str, ...] = ("status",)
    verbs: tuple[str, ...] = ALL_VERBS
    schema: str = ""
    categories: tuple[str, ...] = ()

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def resource(self) -> str:
        """As in messages: `deployments.apps`, `pods`."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def qualified(self) -> str:
        """As in messages about invalid objects: `Deployment.apps`, `Pod`."""
        return f"{self.kind}.{self.group}" if self.group else self.kind

    @property
    def prefix(self) -> str:
        return f"/apis/{self.api_version}" if self.group else f"/api/{self.version}"


_FOREIGN = ("cert-manager.io", "gateway.networking.k8s.io", "metrics.k8s.io", "traefik.io")


def _kind(
    api: str,
    kind: str,
    plural: str,
    *short: str,
    namespaced: bool = True,
    sub: str = "status",
    **more: object,
) -> Kind:
    group, _, version = api.rpartition("/")
    room = group.split(".")[0] or "core"
    known = not group.endswith(_FOREIGN)
    return Kind(
        group,
        version,
        kind,
        plural,
        namespaced,
        short,
        tuple(sub.split()),
        schema=f"io.k8s.api.{room}.{version}.{kind}" if known else "",
        **more,  # type: ignore[arg-type]
    )


_READ_ONLY = ("get", "list")
_CREATE_ONLY = ("create",)
_ALL = ("all",)

KINDS: tuple[Kind, ...] = (
    _kind("v1", "Namespace", "namespaces", "ns", namespaced=False, sub="status finalize"),
    _kind("v1", "Node", "nodes", "no", namespaced=False),
    _kind("v1", "ServiceAccount", "serviceaccounts", "sa", sub="token"),
    _kind("v1", "Secret", "secrets", sub=""),
    _kind("v1", "ConfigMap", "configmaps", "cm", sub=""),
    _kind("v1", "Service", "services", "svc", categories=_ALL),
    _kind("v1", "Endpoints", "endpoints", "ep", sub=""),
    _kind(
        "v1", "Pod", "pods", "po", sub="status log attach exec eviction", categories=_ALL
    ),
    _kind("v1", "Event", "events", "ev", sub=""),
    _kind("v1", "PersistentVolumeClaim", "persistentvolumeclaims", "pvc"),
    _kind("v1", "ResourceQuota", "resourcequotas", "quota"),
    _kind("v1", "LimitRange", "limitranges", "limits", sub=""),
    _kind(
        "apps/v1", "Deployment", "deployments", "deploy", sub="status scale", categories=_ALL
    ),
    _kind("apps/v1", "ReplicaSet", "replicasets", "rs", sub="status scale", categories=_ALL),
    _kind(
        "apps/v1", "StatefulSet", "statefulsets", "sts", sub="status scale", categories=_ALL
    ),
    _kind("apps/v1", "DaemonSet", "daemonsets", "ds", categories=_ALL),
    _kind("batch/v1", "Job", "jobs", categories=_ALL),
    _kind("batch/v1", "CronJob", "cronjobs", "cj", categories=_ALL),
    _kind(
        "autoscaling/v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers", "hpa",
        categories=_ALL,
    ),
    _kind("policy/v1", "PodDisruptionBudget", "poddisruptionbudgets", "pdb"),
    _kind("networking.k8s.io/v1", "Ingress", "ingresses", "ing"),
    _kind(
        "networking.k8s.io/v1", "IngressClass", "ingressclasses", namespaced=False, sub=""
    ),
    _kind("networking.k8s.io/v1", "NetworkPolicy", "networkpolicies", "netpol", sub=""),
    _kind("coordination.k8s.io/v1", "Lease", "leases", sub=""),
    _kind("discovery.k8s.io/v1", "EndpointSlice", "endpointslices", sub=""),
    _kind("storage.k8s.io/v1", "StorageClass", "storageclasses", "sc", namespaced=False, sub=""),
    _kind("rbac.authorization.k8s.io/v1", "Role", "roles", sub=""),
    _kind("rbac.authorization.k8s.io/v1", "RoleBinding", "rolebindings", sub=""),
    _kind("rbac.authorization.k8s.io/v1", "ClusterRole", "clusterroles", namespaced=False, sub=""),
    _kind(
        "rbac.authorization.k8s.io/v1", "ClusterRoleBinding", "clusterrolebindings",
        namespaced=False, sub="",
    ),
    _kind(
        "authorization.k8s.io/v1", "SelfSubjectAccessReview", "selfsubjectaccessreviews",
        namespaced=False, sub="", verbs=_CREATE_ONLY,
    ),
    _kind("cert-manager.io/v1", "Certificate", "certificates", "cert", "certs"),
    _kind("cert-manager.io/v1", "CertificateRequest", "certificaterequests", "cr", "crs"),
    _kind("cert-manager.io/v1", "ClusterIssuer", "clusterissuers", namespaced=False),
    _kind("traefik.io/v1alpha1", "Middleware", "middlewares", sub=""),
    _kind("gateway.networking.k8s.io/v1", "Gateway", "gateways", "gtw"),
    _kind("gateway.networking.k8s.io/v1", "HTTPRoute", "httproutes"),
    _kind("metrics.k8s.io/v1beta1", "PodMetrics", "pods", sub="", verbs=_READ_ONLY),
)  # fmt: skip

BY_PATH = {(kind.group, kind.version, kind.plural): kind for kind in KINDS}
BY_KIND = {(kind.api_version, kind.kind): kind for kind in KINDS}


def named(name: str) -> Kind:
    """The kind called so, as `Deployment`; the tests' and controllers' short way.

    Raises:
        StopIteration: there is none.
    """
    return next(kind for kind in KINDS if kind.kind == name)
