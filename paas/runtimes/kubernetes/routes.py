"""What leads an app's hosts to it: Ingresses, or HTTPRoutes of a Gateway.

A host with a certificate is sent from HTTP to HTTPS, in the way its controller
understands. In maintenance all hosts lead to a page of ours instead (`closed`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from paas.runtimes.base import AppSpec
from paas.runtimes.kubernetes import closed
from paas.runtimes.kubernetes.kinds import HTTP_ROUTE, INGRESS
from paas.runtimes.kubernetes.names import CLOSED, Object, digest
from paas.runtimes.kubernetes.objects import WEB, certificates_of_hosts, head, made
from paas.runtimes.kubernetes.settings import ClusterSettings

OWN_TLS = "web-tls"
"""The Ingress of hosts whose certificate is not cert-manager's matter.

It takes every `secretName` of an Ingress that names an issuer for its own.
"""
REDIRECT = "web-redirect"
"""The HTTPRoute that only leads to HTTPS."""
_TO_HTTPS = "https"  # the Middleware's name
NAMES = ((INGRESS, WEB), (INGRESS, OWN_TLS), (HTTP_ROUTE, WEB), (HTTP_ROUTE, REDIRECT))
"""All that can lead hosts to an app."""


@dataclass(frozen=True)
class Routing:
    """Where an app answers; `version` is `AppSpec.routing`.

    `certificates`: host → the Secret with its owner's own certificate.
    """

    hosts: tuple[str, ...]
    maintenance: bool
    version: int
    certificates: Mapping[str, str] = field(default_factory=dict)


def routing_of(spec: AppSpec) -> Routing:
    """The spec's; a newer one may hold."""
    certificates = certificates_of_hosts(spec.certificates)
    return Routing(spec.hosts, spec.maintenance, spec.routing, certificates)


@dataclass(frozen=True)
class Door:
    """What the cluster's way in can do.

    Args:
        middlewares: traefik's are known.
        plain, secure: the names of the Gateway's listeners that speak HTTP, and HTTPS.
    """

    middlewares: bool = False
    plain: tuple[str, ...] = ()
    secure: tuple[str, ...] = ()


def routes(
    settings: ClusterSettings,
    namespace: str,
    app_id: str,
    routing: Routing,
    door: Door,
    page: Object | None = None,
) -> list[Object]:
    """All of an app's, and in maintenance what answers instead of it.

    Args:
        page: the pod that says so; without it the controller's own 503 has to do.
    """
    target = CLOSED if routing.maintenance else WEB
    standing = closed.objects(namespace, app_id, page) if routing.maintenance else []
    build = _http_routes if settings.gateway else _ingresses
    return [*standing, *build(settings, namespace, app_id, routing, target, door)]


def certificate_secret(host: str) -> str:
    """Where cert-manager puts a host's certificate; its Certificate has the same name."""
    return f"tls-{digest(host)}"


# --- Ingress --------------------------------------------------------------------
def _ingresses(
    settings: ClusterSettings,
    namespace: str,
    app_id: str,
    routing: Routing,
    target: str,
    door: Door,
) -> list[Object]:
    own = {host: routing.certificates.get(host) for host in routing.hosts}
    secured = [host for host in routing.hosts if own[host] or _is_wild(settings, host)]
    others = [host for host in routing.hosts if host not in secured]
    by_middleware = door.middlewares and _may_be(settings, "traefik")
    redirect = _redirects(settings, namespace, by_middleware=by_middleware)
    found = []
    if others:
        marks: dict[str, str] = {}
        secrets: dict[str, str | None] = {}
        if settings.cluster_issuer:
            marks = {"cert-manager.io/cluster-issuer": settings.cluster_issuer} | redirect
            secrets = {host: certificate_secret(host) for host in others}
        found.append(_ingress(settings, (namespace, WEB, app_id), marks, secrets, others, target))
    if secured:
        place, secrets = (namespace, OWN_TLS, app_id), {host: own[host] for host in secured}
        found.append(_ingress(settings, place, redirect, secrets, secured, target))
    if by_middleware and any("tls" in one["spec"] for one in found):
        found.insert(0, _middleware(settings, namespace, app_id))
    return found


def _ingress(
    settings: ClusterSettings,
    place: tuple[str, str, str],
    annotations: Mapping[str, str],
    secrets: Mapping[str, str | None],
    hosts: Iterable[str],
    target: str,
) -> Object:
    """One Secret a host: a name whose certificate fails leaves the others theirs."""
    body = head("networking.k8s.io/v1", "Ingress", *place)
    body["metadata"]["annotations"] = dict(annotations)
    backend = {"service": {"name": target, "port": {"name": "http"}}}
    paths = [{"path": "/", "pathType": "Prefix", "backend": backend}]
    return made(
        {
            **body,
            "spec": {
                "ingressClassName": settings.ingress_class or None,
                "tls": [{"hosts": [h], "secretName": name} for h, name in secrets.items()],
                "rules": [{"host": host, "http": {"paths": paths}} for host in hosts],
            },
        }
    )


def _is_wild(settings: ClusterSettings, host: str) -> bool:
    """Whether the controller's default certificate, a wildcard, has this host."""
    below = host.removesuffix(f".{settings.domain}")
    return settings.wildcard and below != host and "." not in below


def _may_be(settings: ClusterSettings, controller: str) -> bool:
    """By the class's name; of the cluster's default class we do not know whose it is."""
    return not settings.ingress_class or controller in settings.ingress_class


def _redirects(settings: ClusterSettings, namespace: str, *, by_middleware: bool) -> dict[str, str]:
    """The annotations by which a controller redirects; others leave them alone."""
    marks = {}
    if _may_be(settings, "nginx"):
        marks["nginx.ingress.kubernetes.io/ssl-redirect"] = "true"
    if by_middleware:
        name = f"{namespace}-{_TO_HTTPS}@kubernetescrd"
        marks["traefik.ingress.kubernetes.io/router.middlewares"] = name
    return marks


def _middleware(settings: ClusterSettings, namespace: str, app_id: str) -> Object:
    port = None if settings.https_port == 443 else str(settings.https_port)
    scheme = {"scheme": "https", "permanent": True, "port": port}
    return made(
        {
            **head("traefik.io/v1alpha1", "Middleware", namespace, _TO_HTTPS, app_id),
            "spec": {"redirectScheme": scheme},
        }
    )


# --- Gateway API ----------------------------------------------------------------
def _http_routes(
    settings: ClusterSettings,
    namespace: str,
    app_id: str,
    routing: Routing,
    target: str,
    door: Door,
) -> list[Object]:
    """TLS is the Gateway's matter: where it has both kinds of listeners, HTTP leads to HTTPS."""
    if not routing.hosts:
        return []
    wanted = settings.cluster_issuer or settings.wildcard
    apart = bool(wanted and door.plain and door.secure)
    backends = {"backendRefs": [{"name": target, "port": 80}]}
    found = [_http_route(settings, (namespace, WEB, app_id), routing.hosts, backends)]
    if apart:
        port = None if settings.https_port == 443 else settings.https_port
        filters = _to_https(port)
        found.append(_http_route(settings, (namespace, REDIRECT, app_id), routing.hosts, filters))
        for body, sections in zip(found, (door.secure, door.plain), strict=True):
            (parent,) = body["spec"]["parentRefs"]
            body["spec"]["parentRefs"] = [{**parent, "sectionName": name} for name in sections]
    return found


def _to_https(port: int | None) -> Object:
    redirect = {"scheme": "https", "statusCode": 301, "port": port}
    return {"filters": [{"type": "RequestRedirect", "requestRedirect": redirect}]}


def _http_route(
    settings: ClusterSettings, place: tuple[str, str, str], hosts: Iterable[str], rule: Object
) -> Object:
    where, _, name = settings.gateway.partition("/")
    prefix = {"type": "PathPrefix", "value": "/"}
    return made(
        {
            **head("gateway.networking.k8s.io/v1", "HTTPRoute", *place),
            "spec": {
                "parentRefs": [{"name": name, "namespace": where}],
                "hostnames": list(hosts),
                "rules": [{"matches": [{"path": prefix}], **rule}],
            },
        }
    )
