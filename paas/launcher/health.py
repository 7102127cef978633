"""Whether the panel answers, and what its parts do meanwhile."""

from __future__ import annotations

import http.client
import socket
import ssl
import time
import xmlrpc.client
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from paas.instance import Instance
from paas.launcher.rpc import supervisor
from paas.launcher.supervisor_config import panel_logs


def healthz(instance: Instance, timeout: float = 5.0) -> tuple[int, str]:
    """Status and body of `GET /healthz` through the front door; (0, reason) if nobody answers."""
    connection = http.client.HTTPConnection(instance.front_address, instance.port, timeout)
    connection.timeout = timeout
    try:
        connection.request("GET", "/healthz", headers={"Host": instance.domain})
        answer = connection.getresponse()
        return answer.status, answer.read().decode(errors="replace")
    except (OSError, http.client.HTTPException) as error:
        return 0, str(error) or type(error).__name__
    finally:
        connection.close()


def attachable(instance: Instance) -> str:
    """Why clients cannot attach to processes; "" if they can."""
    try:
        trusted = ssl.create_default_context(cafile=str(instance.authority))
        address = (instance.front_address, instance.rendezvous_port)
        with socket.create_connection(address, timeout=5) as connection:
            trusted.wrap_socket(connection, server_hostname="localhost").close()
    except OSError as error:  # SSLError is one
        return f"port {instance.rendezvous_port} is not the gateway's: {error}"
    return ""


def part_starts(instance: Instance) -> dict[str, int]:
    """Part → Unix time of its last start, as the panel's supervisord tells; empty if it is down."""
    try:
        parts: Any = supervisor(instance.panel_supervisor_socket).supervisor.getAllProcessInfo()
    except (OSError, http.client.HTTPException, xmlrpc.client.Error):
        return {}
    return {part["name"]: part["start"] for part in parts}


@dataclass
class Watch:
    """Notices parts that keep dying, from the times at which supervisord started them."""

    instance: Instance
    starts: int = 3
    seconds: float = 60.0
    silence: float = 600.0
    _seen: dict[str, deque[int]] = field(default_factory=dict)
    _told: dict[str, float] = field(default_factory=dict)

    def failing(self) -> list[str]:
        """The parts to tell about now: `starts` starts within `seconds`, each told once a while."""
        started = part_starts(self.instance)
        return [name for name, start in started.items() if self._keeps_dying(name, start)]

    def _keeps_dying(self, name: str, started: int) -> bool:
        seen = self._seen.setdefault(name, deque(maxlen=self.starts))
        if started and (not seen or seen[-1] != started):
            seen.append(started)
        if len(seen) < self.starts or seen[-1] - seen[0] > self.seconds:
            return False
        now = time.monotonic()
        if now - self._told.get(name, -self.silence) < self.silence:
            return False
        self._told[name] = now
        return True


def last_lines(instance: Instance, part: str, count: int = 15) -> list[str]:
    """The end of a part's log."""
    log: Path = panel_logs(instance) / f"{part}.log"
    if not log.exists():
        return []
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 16_384))
        return file.read().decode(errors="replace").splitlines()[-count:]
