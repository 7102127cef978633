"""The front door's configuration: Caddy's JSON, written once per instance.

Nothing in it changes with a deploy or a new app: see `routes`. Any change
through Caddy's admin interface would cut connections.
"""

from __future__ import annotations

import ipaddress
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from paas.instance import Instance, TlsMode
from paas.runtimes.local import pages, tls
from paas.runtimes.local.pages import Page
from paas.runtimes.local.routes import SLOTS

Json = dict[str, Any]

_PRIVATE = [
    *("127.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "172.16.0.0/12", "192.168.0.0/16"),
    *("::1", "fc00::/7"),
]
_RESPONSE_TIMEOUT = "30s"  # Heroku's H12: until the first byte of the answer
UPSTREAM_IDLE = "100ms"
"""How long an unused connection to an app is kept.

Below every app server's keep-alive, else a POST meets a closing connection. And short:
a client that hangs up leaves a connection nobody uses, on which a server that serves
one at a time (gunicorn's default) waits meanwhile.
"""


def caddy_config(instance: Instance) -> Json:
    """Caddy's whole configuration for `instance`; run `caddy run --config FILE` with it."""
    return {
        "admin": {"listen": f"unix/{instance.caddy_socket}|0600", "config": {"persist": False}},
        "storage": {"module": "file_system", "root": str(instance.caddy_storage)},
        "logging": _logging(instance),
        "apps": {
            "http": {
                "grace_period": "10s",
                **tls.ports(instance),
                "servers": {"front": _server(instance)},
            },
            **tls.apps(instance),
        },
    }


def _server(instance: Instance) -> Json:
    hosts = {"host": _panel_hosts(instance)}
    return {
        "listen": _addresses(instance),
        "automatic_https": {"disable": True},
        **tls.server(instance),
        **_before_us(instance),
        "logs": {"default_logger_name": "router"},
        "routes": [
            *tls.routes(instance, _panel_hosts(instance)),
            # What most requests want comes first: a route passed by costs each of them.
            _app_route(instance, hosts),
            {"match": [hosts], "handle": _panel(instance), "terminal": True},
            *_without_route(instance),
        ],
        "errors": {"routes": [_panel_error(hosts), *_app_errors()]},
    }


def _addresses(instance: Instance) -> list[str]:
    hosts = [f"[{one}]" if ":" in one else one for one in instance.listen_addresses()]
    ports = [instance.port, instance.tls.port] if instance.tls else [instance.port]
    return [f"{host}:{port}" for port in ports for host in hosts]


def _before_us(instance: Instance) -> Json:
    """Whose word on the client's address and scheme counts: a proxy's of the machine or its net."""
    if instance.tls.mode is not TlsMode.PROXY:
        return {}
    # Strict: from the right, up to the first address that is no proxy's; the rest is hearsay.
    trusted = {"source": "static", "ranges": _PRIVATE}
    return {"trusted_proxies": trusted, "trusted_proxies_strict": 1}


def _forwarded(instance: Instance) -> Json:
    """The client's address alone, as without a proxy before us; clients' own words do not count."""
    if instance.tls.mode is not TlsMode.PROXY:
        return {}
    return {"X-Forwarded-For": ["{http.vars.client_ip}"]}


def _panel_hosts(instance: Instance) -> list[str]:
    hosts = [instance.domain, "localhost", "127.0.0.1", "::1", "[::1]"]
    with suppress(ValueError):
        ipaddress.ip_address(instance.bind)
        hosts.append(instance.bind)
    return list(dict.fromkeys(hosts))


# --- the panel ------------------------------------------------------------
def _panel(instance: Instance) -> list[Json]:
    refused = _text(404, '{"id":"not_found","message":"Not found."}\n', "application/json")
    routes = [
        {"match": [{"path": ["/internal", "/internal/*"]}], "handle": [refused], "terminal": True},
        {
            "match": [{"path_regexp": {"pattern": r"^/[^/]+\.git(/.*)?$"}}],
            "handle": [_unix_proxy(instance, instance.gateway_socket)],
            "terminal": True,
        },
        {
            "match": [{"path": ["/cache/*"]}],
            "handle": [
                _unix_proxy(instance, instance.web_socket) | _sending(instance.cache / "nix")
            ],
            "terminal": True,
        },
        {"handle": [_unix_proxy(instance, instance.web_socket)]},
    ]
    return [{"handler": "vars", "log_skip": True}, {"handler": "subroute", "routes": routes}]


def _sending(folder: Path) -> Json:
    """Where the panel answers with X-Accel-Redirect, the file of that name below `folder`."""
    sent = "{http.reverse_proxy.header.%s}"
    kind = {"Content-Type": [sent % "Content-Type"]}
    routes = [
        {
            "handle": [
                {"handler": "rewrite", "uri": sent % "X-Accel-Redirect"},
                {"handler": "headers", "response": {"set": kind}},
                {"handler": "file_server", "root": str(folder)},
            ]
        }
    ]
    match = {"headers": {"X-Accel-Redirect": ["*"]}}
    return {"handle_response": [{"match": match, "routes": routes}]}


def _unix_proxy(instance: Instance, path: Path) -> Json:
    forwarded = _forwarded(instance)
    return {
        "handler": "reverse_proxy",
        "flush_interval": -1,
        "transport": {"protocol": "http", "keep_alive": {"enabled": True, "idle_timeout": "1s"}},
        "upstreams": [{"dial": f"unix/{path}"}],
        "load_balancing": {"try_duration": "1s", "try_interval": "50ms"},
        **({"headers": {"request": {"set": forwarded}}} if forwarded else {}),
    }


def _panel_error(hosts: Json) -> Json:
    page = pages.PANEL_DOWN
    message = json.dumps({"id": "unavailable", "message": f"{page.title}. {page.text}"}) + "\n"
    routes = [
        {"match": [_WANTS_HTML], "handle": [_html(page)], "terminal": True},
        {"handle": [_text(page.status, message, "application/json")]},
    ]
    return {
        "match": [hosts],
        "handle": [{"handler": "subroute", "routes": routes}],
        "terminal": True,
    }


# --- the apps -------------------------------------------------------------
def _app_route(instance: Instance, panel_hosts: Json) -> Json:
    """To the processes of the app whose host it is; no app can take a host of the panel's."""
    route = {
        "root": str(instance.routes / "hosts"),
        "try_files": ["/{http.request.host}/*"],
        "try_policy": "most_recently_modified",
    }
    return {
        "match": [{"not": [panel_hosts], "file": route}],
        "handle": [_request_id(), *_balance(instance)],
        "terminal": True,
    }


def _without_route(instance: Instance) -> list[Json]:
    closed = {"root": str(instance.routes / "maintenance"), "try_files": ["/{http.request.host}"]}
    folder = {"root": str(instance.routes / "hosts"), "try_files": ["/{http.request.host}/"]}
    return [
        {"handle": [_request_id()]},
        {"match": [{"file": closed}], "handle": _page(pages.MAINTENANCE), "terminal": True},
        {"match": [{"file": folder}], "handle": _page(pages.NO_WEB), "terminal": True},
        {"handle": _page(pages.NO_SUCH_APP)},
    ]


def _balance(instance: Instance) -> list[Json]:
    """From the route file's name to its ports, and there in turn."""
    slots = range(SLOTS)
    ports = {
        "handler": "map",
        "source": "{http.matchers.file.relative}",
        "destinations": [f"{{u{i}}}" for i in slots],
        "mappings": [
            {
                "input_regexp": "^/[^/]+/" + ",".join(["([0-9]+)"] * SLOTS) + "$",
                "outputs": [f"127.0.0.1:${{{i + 1}}}" for i in slots],
            }
        ],
    }
    # No flush_interval: Caddy flushes event streams and answers of unknown length by itself,
    # and to flush every answer costs a tenth of the throughput.
    proxy = {
        "handler": "reverse_proxy",
        "transport": {
            "protocol": "http",
            "keep_alive": {"enabled": True, "idle_timeout": UPSTREAM_IDLE},
            "response_header_timeout": _RESPONSE_TIMEOUT,
        },
        "upstreams": [{"dial": f"{{u{i}}}"} for i in slots],
        "load_balancing": {
            "selection_policy": {"policy": "round_robin"},
            "try_duration": "3s",
            "try_interval": "50ms",
        },
        "headers": {
            "request": {
                "set": {
                    "X-Request-Id": ["{http.request.uuid}"],
                    "X-Request-Start": ["{time.now.unix_ms}"],
                    "X-Forwarded-Port": [tls.port_of_request(instance)],
                    **_forwarded(instance),
                }
            }
        },
    }
    return [_log("upstream", "{http.reverse_proxy.upstream.hostport}"), ports, proxy]


def _app_errors() -> list[Json]:
    refused = '{http.error.message}.contains("connect: connection refused")'
    return [
        {
            "match": [{"expression": "{http.error.status_code} == 504"}],
            "handle": _page(pages.TIMEOUT),
            "terminal": True,
        },
        {"match": [{"expression": refused}], "handle": _page(pages.CRASHED), "terminal": True},
        {"handle": _page(pages.CLOSED)},
    ]


# --- pages and the log ----------------------------------------------------
_WANTS_HTML: Json = {"header": {"Accept": ["*text/html*"]}}


def _page(page: Page) -> list[Json]:
    code = [_log("code", page.code)] if page.code else []
    routes = [
        {"match": [_WANTS_HTML], "handle": [_html(page)], "terminal": True},
        {"handle": [_text(page.status, page.plain, "text/plain; charset=utf-8")]},
    ]
    return [*code, {"handler": "subroute", "routes": routes}]


def _html(page: Page) -> Json:
    return _text(page.status, page.html, "text/html; charset=utf-8")


def _text(status: int, body: str, kind: str) -> Json:
    headers = {"Content-Type": [kind], "Cache-Control": ["no-store"]}
    return {"handler": "static_response", "status_code": status, "headers": headers, "body": body}


def _request_id() -> Json:
    return _log("request_id", "{http.request.uuid}")


def _log(key: str, value: str) -> Json:
    return {"handler": "log_append", "key": key, "value": value}


def _logging(instance: Instance) -> Json:
    """Requests of apps go to the router log, without headers: those hold secrets.

    Caddy encodes a request for every log there is before it asks whether the log
    wants it, so the default log leaves requests out: a seventh of the door's work.
    """
    router = "http.log.access.router"
    drop = {"filter": "delete"}
    return {
        "logs": {
            "default": {
                "exclude": [router, tls.LOGGER],
                "level": "WARN",
                "encoder": {
                    "format": "filter",
                    "wrap": {"format": "json"},
                    "fields": {"request": drop},
                },
            },
            **tls.log(instance),
            "router": {
                "include": [router],
                "writer": {
                    "output": "file",
                    "filename": str(instance.router_log),
                    "mode": "0600",
                    "roll_size_mb": 20,
                    "roll_keep": 2,
                    "roll_gzip": False,
                },
                "encoder": {
                    "format": "filter",
                    "wrap": {"format": "json"},
                    "fields": {"request>headers": drop, "resp_headers": drop},
                },
            },
        }
    }
