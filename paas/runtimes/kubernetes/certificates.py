"""How far cert-manager is with a host's certificate: its own objects say so."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from cryptography import x509

from paas.runtimes.base import Certificate
from paas.runtimes.kubernetes.cluster import Cluster
from paas.runtimes.kubernetes.errors import Gone
from paas.runtimes.kubernetes.kinds import CERTIFICATE, CHALLENGE, INGRESS, SECRET
from paas.runtimes.kubernetes.names import OURS, Object
from paas.runtimes.kubernetes.objects import decoded
from paas.runtimes.kubernetes.routes import OWN_TLS


def look_up(cluster: Cluster, host: str) -> Certificate:
    """The body of `Runtime.certificate`: nothing is asked for here, cert-manager does that."""
    ingress = _ingress_of(cluster.client.items(INGRESS, labels=OURS), host)
    if ingress is None:
        return Certificate(problem=f"no route leads to {host}")
    secret = _secret_of(ingress, host)
    if secret is None:
        return Certificate(
            problem="the cluster gives no certificates: PAAS_CLUSTER_ISSUER is not set"
        )
    if not secret:
        return Certificate(problem="the ingress controller's own wildcard certificate serves it")
    namespace = ingress["metadata"]["namespace"]
    if ingress["metadata"]["name"] == OWN_TLS:
        return _own(cluster, namespace, secret)
    try:
        certificate = cluster.client.get(CERTIFICATE, namespace, secret)
    except Gone:
        return Certificate(
            problem="cert-manager has not taken it up: is it installed in the cluster, and does "
            f"the ClusterIssuer {cluster.settings.cluster_issuer} exist?"
        )
    return _state(certificate, cluster.client.items(CHALLENGE, namespace), host)


def _own(cluster: Cluster, namespace: str, secret: str) -> Certificate:
    """The owner's own."""
    for found in cluster.client.items(SECRET, namespace, fields=f"metadata.name={secret}"):
        leaf = x509.load_pem_x509_certificate(decoded(found)["tls.crt"].encode())
        return Certificate(expires=leaf.not_valid_after_utc)
    return Certificate(problem="it is on its way to the cluster", pending=True)


def _ingress_of(ingresses: Iterable[Object], host: str) -> Object | None:
    for ingress in ingresses:
        if any(rule.get("host") == host for rule in ingress["spec"].get("rules") or []):
            return ingress
    return None


def _secret_of(ingress: Object, host: str) -> str | None:
    """The Secret of the host's certificate; "" for the controller's default, None without TLS."""
    for entry in ingress["spec"].get("tls") or []:
        if host in (entry.get("hosts") or []):
            return str(entry.get("secretName") or "")
    return None


def _state(certificate: Object, challenges: Iterable[Object], host: str) -> Certificate:
    status = certificate.get("status") or {}
    conditions = {one["type"]: one for one in status.get("conditions") or []}
    ready = conditions.get("Ready", {})
    if ready.get("status") == "True" and status.get("notAfter"):
        return Certificate(expires=datetime.fromisoformat(status["notAfter"]))
    for challenge in challenges:  # it knows why, the Certificate only that there is none yet
        reason = (challenge.get("status") or {}).get("reason")
        if challenge["spec"].get("dnsName") == host and reason:
            return Certificate(problem=str(reason).rstrip("."))
    issuing = conditions.get("Issuing", {})
    said = issuing.get("message") or ready.get("message") or "cert-manager has not begun"
    pending = issuing.get("status") == "True" or not conditions
    return Certificate(problem=str(said).rstrip("."), pending=pending)
