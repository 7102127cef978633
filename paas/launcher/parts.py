"""The parts of the panel: what each is started as."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from paas.instance import Instance, make_private
from paas.launcher import tools
from paas.launcher.orders import PYTHON, Order, write_private
from paas.runtimes.local.frontdoor import caddy_config

WORKER_THREADS = 12  # more than formation.slots.PUSHES, so that other work finds one


@dataclass(frozen=True)
class Part:
    """One program of the panel's tree.

    `stop_seconds` is how long it has between SIGTERM and SIGKILL.
    """

    order: Order
    stop_seconds: int = 10


def panel_parts(instance: Instance) -> list[Part]:
    """The panel's parts, and the files they read.

    Raises:
        LaunchError: a program is missing.
    """
    own_redis = [] if os.environ.get("PAAS_REDIS_URL") else [_redis(instance)]
    return [
        *own_redis,
        *(make(instance) for make in _PANEL.values()),
    ]


def part_alone(instance: Instance, name: str) -> Part:
    """One part of an instance whose parts are started each by itself: the clock is one of them.

    Raises:
        KeyError: there is no such part.
        LaunchError: its program is missing.
    """
    return _ALONE[name](instance)


def _redis(instance: Instance) -> Part:
    data = make_private(instance.home / "redis")
    config = instance.run / "redis.conf"
    settings = {
        "port": "0",
        "unixsocket": _quoted(str(instance.redis_socket)),
        "unixsocketperm": "700",
        "dir": _quoted(str(data)),
        "appendonly": "yes",
        "save": '""',  # the append-only file is enough
        "auto-aof-rewrite-min-size": "16mb",
        "maxmemory": "128mb",
        "maxmemory-policy": "noeviction",  # a queue that drops messages loses deploys
        "databases": "1",
        "daemonize": "no",
    }
    write_private(config, "".join(f"{name} {value}\n" for name, value in settings.items()))
    return Part(Order("redis", [str(tools.redis_server()), str(config)]))


def _caddy(instance: Instance) -> Part:
    config = instance.run / "caddy.json"
    write_private(config, json.dumps(caddy_config(instance)))
    state = make_private(instance.caddy_storage)
    environment = {
        "XDG_DATA_HOME": str(state),
        "XDG_CONFIG_HOME": str(state),
        # Its memory is small, its garbage much: collecting half as often gives a tenth of
        # the throughput for some 15 MB; the limit keeps a crowd from tripling that.
        "GOGC": "200",
        "GOMEMLIMIT": "128MiB",
    }
    argv = [str(tools.caddy()), "run", "--config", str(config)]
    # A successor can only take the port when the old one is gone, so it is not asked to drain.
    return Part(Order("caddy", argv, environment, death_signal="SIGKILL"))


def _web(instance: Instance) -> Part:
    argv = [
        *(*PYTHON, "-m", "gunicorn", "--worker-class", "paas.web.Worker"),
        *("--workers", "1"),  # a second answers a crowd in two thirds of the time, for 40 MB
        *("--bind", f"unix:{instance.web_socket}", "--umask", "0o077"),
        *("--graceful-timeout", "5", "--keep-alive", "75", "--no-control-socket"),
        *("--worker-tmp-dir", str(instance.run), "paas.asgi:application"),
    ]
    return Part(Order("web", argv))


def _worker(instance: Instance) -> Part:
    argv = [
        *(*PYTHON, "-m", "celery", "-A", "paas.celery", "worker"),
        *("-P", "threads", "-c", str(WORKER_THREADS), "-Q", "builds,default"),
        *("--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel", "INFO"),
    ]
    # Django's checks would import every page and call of the panel, 40 MB; `first_run` runs them.
    environment = {"CELERY_SKIP_CHECKS": "true"}
    # Bereft of its supervisor it would finish its builds beside its successor.
    return Part(Order("worker", argv, environment, death_signal="SIGKILL"))


def _worker_without_clock(instance: Instance) -> Part:
    part = _worker(instance)
    environment = {**part.order.environment, "PAAS_CLOCK": "apart"}
    return replace(part, order=replace(part.order, environment=environment))


def _beat(instance: Instance) -> Part:
    argv = [*PYTHON, "-m", "celery", "-A", "paas.celery", "beat", "--loglevel", "INFO"]
    return Part(Order("beat", argv, {"CELERY_SKIP_CHECKS": "true"}))


def _gateway(instance: Instance) -> Part:
    return Part(Order("gateway", [*PYTHON, "-m", "paas.gateway"]))


def _observer(instance: Instance) -> Part:
    return Part(Order("observer", [*PYTHON, "-m", "paas.observer"]))


_PANEL: Mapping[str, Callable[[Instance], Part]] = {
    "caddy": _caddy,
    "web": _web,
    "worker": _worker,
    "gateway": _gateway,
    "observer": _observer,
}
_ALONE = {**_PANEL, "worker": _worker_without_clock, "beat": _beat}
PARTS = tuple(_ALONE)
"""What `part_alone` knows."""


def _quoted(text: str) -> str:
    """As redis.conf wants a value that may hold blanks."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
