"""HTTPS at the front door: a certificate for every host in the routes, without a reload.

Caddy gets a host's certificate when the first visitor asks for it ("on-demand
TLS") and may do so only for hosts that have a route: it asks a path of its own
server, which looks into the same folders the routes are. So neither the panel
nor its database has to be up, and nobody fills the disk with certificates for
names they made up.
"""

from __future__ import annotations

import ipaddress
from contextlib import suppress
from typing import Any

from paas.instance import Instance, TlsMode

Json = dict[str, Any]

LOGGER = "tls"

_PERMISSION_PATH = "/internal/tls"
_ASKED_FOR = "{http.request.uri.query.domain}"
_LOOPBACK = ("127.0.0.0/8", "::1")
_NAME = r"^[a-z0-9][a-z0-9.-]*$"


def ports(instance: Instance) -> Json:
    """Which of the server's ports speak what: all but `http_port` speak TLS."""
    if not instance.tls:
        return {}
    return {"http_port": instance.port, "https_port": instance.tls.port}


def server(instance: Instance) -> Json:
    """What makes the server speak TLS; HTTP/3 would need UDP, too."""
    return {"tls_connection_policies": [{}], "protocols": ["h1", "h2"]} if instance.tls else {}


def apps(instance: Instance) -> Json:
    """Caddy's `tls` and `pki`."""
    if not instance.tls:
        return {}
    automation = {
        "policies": [{"issuers": [_issuer(instance)], "on_demand": True}],
        "on_demand": {"permission": {"module": "http", "endpoint": _endpoint(instance)}},
    }
    authority = {"local": {"name": "paas", "install_trust": False}}
    return {
        "tls": {"automation": automation},
        "pki": {"certificate_authorities": authority},
    }


def routes(instance: Instance, panel_hosts: list[str]) -> list[Json]:
    """What comes before all other routes: the permission, then the way to HTTPS."""
    if not instance.tls:
        return []
    return [_permission(instance, panel_hosts), *_redirects(instance, panel_hosts)]


def port_of_request(instance: Instance) -> str:
    """X-Forwarded-Port."""
    if instance.tls.mode is TlsMode.PROXY:
        return str(instance.tls.port)
    return "{http.request.local.port}" if instance.tls else str(instance.port)


def log(instance: Instance) -> Json:
    """What becomes of certificates, for `certificates.obtain` to read."""
    if not instance.tls:
        return {}
    writer = {
        "output": "file",
        "filename": str(instance.tls_log),
        "mode": "0600",
        "roll_size_mb": 5,
        "roll_keep": 1,
        "roll_gzip": False,
    }
    # No requests, which Caddy would encode for this log, too, before it leaves them out.
    encoder = {
        "format": "filter",
        "wrap": {"format": "json"},
        "fields": {"request": {"filter": "delete"}},
    }
    return {"tls": {"include": [LOGGER], "level": "INFO", "writer": writer, "encoder": encoder}}


def _issuer(instance: Instance) -> Json:
    tls = instance.tls
    if tls.mode is TlsMode.INTERNAL:
        return {"module": "internal"}
    issuer: Json = {"module": "acme"}
    if tls.acme_ca:
        issuer["ca"] = tls.acme_ca
    if tls.acme_email:
        issuer["email"] = tls.acme_email
    if tls.acme_ca_root:
        issuer["trusted_roots_pem_files"] = [tls.acme_ca_root]
    return issuer


def _endpoint(instance: Instance) -> str:
    address = instance.front_address
    host = f"[{address}]" if ":" in address else address
    return f"http://{host}:{instance.port}{_PERMISSION_PATH}"


def _permission(instance: Instance, panel_hosts: list[str]) -> Json:
    """200 for hosts that have a route or are the panel's, for this machine alone."""
    internal = instance.tls.mode is TlsMode.INTERNAL
    own = panel_hosts if internal else [instance.domain]  # no public CA knows the others
    named = {"vars_regexp": {_ASKED_FOR: {"pattern": _NAME}}}
    folder = {"root": str(instance.routes / "hosts"), "try_files": [f"/{_ASKED_FOR}/"]}
    granted = {"handler": "static_response", "status_code": 200}
    checks = [
        {
            "match": [{"query": {"domain": own}}, {**named, "file": folder}],
            "handle": [granted],
            "terminal": True,
        },
        {"handle": [{"handler": "static_response", "status_code": 404}]},
    ]
    local = [*_LOOPBACK, *_own_address(instance)]
    return {
        "match": [{"path": [_PERMISSION_PATH], "remote_ip": {"ranges": local}}],
        "handle": [
            {"handler": "vars", "log_skip": True},
            {"handler": "subroute", "routes": checks},
        ],
        "terminal": True,
    }


def _own_address(instance: Instance) -> list[str]:
    """From where this machine calls itself, if it listens at one address that is no loopback."""
    with suppress(ValueError):
        return [str(ipaddress.ip_address(instance.front_address))]
    return []


def _redirects(instance: Instance, panel_hosts: list[str]) -> list[Json]:
    """To HTTPS, where the certificate is there already: a folder of Caddy's storage per host.

    With an internal CA the panel is left out: its addresses stay HTTP, for git and `paas`
    would not trust it.
    """
    if not instance.tls.redirect:
        return []
    storage = str(instance.caddy_storage / "certificates")
    there = {"root": storage, "try_files": ["/*/{http.request.host}/{http.request.host}.crt"]}
    port = "" if instance.tls.port == 443 else f":{instance.tls.port}"
    moved = {
        "handler": "static_response",
        "status_code": 308,
        "headers": {"Location": [f"https://{{http.request.host}}{port}{{http.request.uri}}"]},
    }
    left_out: list[Json] = [{"path": ["/healthz"]}]
    if instance.tls.mode is TlsMode.INTERNAL:
        left_out.append({"host": panel_hosts})
    match = {"protocol": "http", "not": left_out, "file": there}
    return [{"match": [match], "handle": [moved], "terminal": True}]
