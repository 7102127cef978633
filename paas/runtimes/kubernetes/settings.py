"""What an operator decides about the cluster: environment variables, read once."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from paas.runtimes.base import RuntimeFailure

_PREFIX = re.compile(r"[a-z]([-a-z0-9]{0,20})?\Z")
_LABEL = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?\Z")


@dataclass(frozen=True)
class ClusterSettings:
    """How this panel uses its cluster.

    Args:
        namespace_prefix: begins the name of every namespace we make.
        ingress_class: the class of our Ingresses; "" leaves it to the cluster's default.
        ingress_namespace: where the ingress controller runs: only it, and the app itself,
            may speak to an app's pods.
        cluster_issuer: the cert-manager ClusterIssuer of every host; "" means no TLS section.
        wildcard: the controller's default certificate serves the hosts below the panel's domain.
        https_port: where visitors reach the ingress controller by TLS.
        domain: the panel's; apps answer below it.
        gateway: "namespace/name" of a Gateway: routes become HTTPRoutes of it, not Ingresses.
        node_selector: labels a node must have to run apps.
        drain_seconds: how long a stopped web process still serves, until every proxy knows.
        steady_seconds: how long a process without a port must run to count as started.
        boot_seconds: how long a web process may take to accept, or to pass its check.
        patience: seconds that an API which does not answer is tried again.
    """

    namespace_prefix: str = "paas-"
    ingress_class: str = "traefik"
    ingress_namespace: str = "kube-system"
    cluster_issuer: str = ""
    wildcard: bool = False
    https_port: int = 443
    domain: str = "localhost"
    gateway: str = ""
    node_selector: Mapping[str, str] = field(default_factory=dict)
    drain_seconds: int = 5
    steady_seconds: int = 5
    boot_seconds: int = 60
    patience: float = 45.0

    @classmethod
    def of(cls, environ: Mapping[str, str] | None = None) -> ClusterSettings:
        """What `PAAS_NAMESPACE_PREFIX`, `PAAS_INGRESS_CLASS`, `PAAS_INGRESS_NAMESPACE`,
        `PAAS_CLUSTER_ISSUER`, `PAAS_WILDCARD_TLS`, `PAAS_INGRESS_PORT`, `PAAS_DOMAIN`,
        `PAAS_GATEWAY`, `PAAS_NODE_SELECTOR` and `PAAS_DRAIN_SECONDS` say.

        Raises:
            RuntimeFailure: one of them cannot be used; the text says which and why.
        """
        env = os.environ if environ is None else environ
        return cls(
            namespace_prefix=_prefix(env.get("PAAS_NAMESPACE_PREFIX") or cls.namespace_prefix),
            ingress_class=env.get("PAAS_INGRESS_CLASS", cls.ingress_class),
            ingress_namespace=env.get("PAAS_INGRESS_NAMESPACE") or cls.ingress_namespace,
            cluster_issuer=env.get("PAAS_CLUSTER_ISSUER", ""),
            wildcard=_switch(env, "PAAS_WILDCARD_TLS"),
            https_port=_number(env, "PAAS_INGRESS_PORT", cls.https_port, 65_535),
            domain=env.get("PAAS_DOMAIN") or cls.domain,
            gateway=_gateway(env.get("PAAS_GATEWAY", "")),
            node_selector=_selector(env.get("PAAS_NODE_SELECTOR", "")),
            drain_seconds=_number(env, "PAAS_DRAIN_SECONDS", cls.drain_seconds, 300),
        )


def _prefix(text: str) -> str:
    """A namespace's name has 63 characters, an app's id 36."""
    if not _PREFIX.match(text):
        raise RuntimeFailure(
            f"PAAS_NAMESPACE_PREFIX={text} cannot begin a namespace's name. Use up to 21 "
            "lower-case letters, digits and dashes, a letter first."
        )
    return text


def _switch(env: Mapping[str, str], name: str) -> bool:
    text = env.get(name) or "off"
    if text not in ("on", "off"):
        raise RuntimeFailure(f"{name}={text} is unknown. Use on or off.")
    return text == "on"


def _gateway(text: str) -> str:
    if text and (text.count("/") != 1 or text.startswith("/") or text.endswith("/")):
        raise RuntimeFailure(f"PAAS_GATEWAY={text} is no Gateway. Use namespace/name.")
    return text


def _selector(text: str) -> dict[str, str]:
    """`key=value,key=value`."""
    chosen: dict[str, str] = {}
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        key, sign, value = part.partition("=")
        if not sign or not key or (value and not _LABEL.match(value)):
            raise RuntimeFailure(
                f"PAAS_NODE_SELECTOR: {part!r} is no label. Use key=value,key=value."
            )
        chosen[key] = value
    return dict(sorted(chosen.items()))


def _number(env: Mapping[str, str], name: str, default: int, most: int) -> int:
    text = env.get(name) or str(default)
    if not text.isdecimal() or int(text) > most:
        raise RuntimeFailure(f"{name}={text} is no number from 0 to {most}.")
    return int(text)
