"""`GET /healthz`: 200 when every part of the panel answers."""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Callable
from pathlib import Path

import redis
from django.conf import settings
from django.db import connection
from django.http import HttpRequest, JsonResponse

from paas.runtimes.choice import LOCAL

OBSERVER_SILENCE = 15.0  # seconds without a sign of life
WORKER_SILENCE = 15.0


class NotHealth(logging.Filter):
    """Keeps answers of /healthz out of the log."""

    def filter(self, record: logging.LogRecord) -> bool:
        return "/healthz" not in record.getMessage()


def healthz(request: HttpRequest) -> JsonResponse:
    """Each part with "ok" or what is wrong; 503 if anything is."""
    checks = {name: check for name, check in _CHECKS.items() if name != "apps" or _runs_here()}
    parts = {name: _ask(check) for name, check in checks.items()}
    healthy = all(answer == "ok" for answer in parts.values())
    return JsonResponse({"ok": healthy, "parts": parts}, status=200 if healthy else 503)


def _runs_here() -> bool:
    """Whether apps are this machine's; a cluster that is away leaves the panel well."""
    return bool(settings.RUNTIME == LOCAL)


def _ask(check: Callable[[], None]) -> str:
    try:
        check()
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return "ok"


def _database() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


def _redis() -> None:
    redis.Redis.from_url(settings.REDIS_URL, socket_timeout=2).ping()


def _connects(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(2)
        client.connect(str(path))


def _fresh(path: Path, limit: float) -> None:
    silence = time.time() - path.stat().st_mtime
    if silence > limit:
        raise TimeoutError(f"no sign of life for {silence:.0f} s")


_CHECKS: dict[str, Callable[[], None]] = {
    "database": _database,
    "redis": _redis,
    "worker": lambda: _fresh(settings.INSTANCE.run / "worker.alive", WORKER_SILENCE),
    "beat": lambda: _fresh(settings.INSTANCE.run / "beat.alive", WORKER_SILENCE),
    "gateway": lambda: _connects(settings.INSTANCE.gateway_socket),
    "observer": lambda: _fresh(settings.INSTANCE.run / "observer.alive", OBSERVER_SILENCE),
    "caddy": lambda: _connects(settings.INSTANCE.caddy_socket),
    "apps": lambda: _connects(settings.INSTANCE.apps_supervisor_socket),
}
