"""app.json's health checks: what a new process must pass beyond the default gate.

Only `startup` checks hold a deploy (Dokku's `healthchecks`); the other types
are for runtimes that probe all the time.
"""

from __future__ import annotations

import http.client
from collections.abc import Callable, Iterable
from contextlib import closing

from paas.runtimes.base import Check, NotHealthy

_MOST_BODY = 1024 * 1024
Pause = Callable[[float], None]
"""Waits so many seconds; raises if the process dies meanwhile."""
RunCommand = Callable[[tuple[str, ...], float], str]
"""Runs a command beside the process within so many seconds; "" or what went wrong."""
Failed = Callable[[str, str], NotHealthy]


def startup(checks: Iterable[Check]) -> tuple[Check, ...]:
    """Those that hold a deploy."""
    return tuple(check for check in checks if check.type == "startup")


class CheckRun:
    """Runs the checks of one process.

    Args:
        port: None for a process without one.
        host: what a browser would send as `Host`.
    """

    def __init__(
        self, port: int | None, host: str, pause: Pause, command: RunCommand, failed: Failed
    ) -> None:
        self._port, self._host = port, host
        self._pause, self._command, self._failed = pause, command, failed

    def all(self, checks: Iterable[Check]) -> None:
        """
        Raises:
            NotHealthy: one of them failed at its last attempt.
        """
        for check in checks:
            self._pause(check.initial_delay)
            if check.uptime is not None:
                self._pause(check.uptime)
            self._one(check)

    def _one(self, check: Check) -> None:
        problem = ""
        for attempt in range(max(1, check.attempts)):
            if attempt:
                self._pause(check.wait)
            problem = self._try(check)
            if not problem:
                return
        raise self._failed(
            f"failed its health check: {problem}",
            "The check is in app.json under healthchecks; `attempts`, `wait` and `timeout` are "
            "set there too.",
        )

    def _try(self, check: Check) -> str:
        """One attempt; what is wrong, or ""."""
        if check.command:
            problem = self._command(check.command, check.timeout)
            if problem:
                return problem
        if check.path is not None and self._port is not None:
            return self._request(check, check.path, self._port)
        return ""

    def _request(self, check: Check, path: str, port: int) -> str:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=check.timeout)
        headers = {"Host": self._host, "User-Agent": "paas-health", "X-Forwarded-Proto": "http"}
        with closing(connection):
            try:
                connection.request("GET", path, headers=headers)
                response = connection.getresponse()
                body = response.read(_MOST_BODY).decode(errors="replace")
            except TimeoutError:
                return f"GET {path} did not answer within {check.timeout:g} seconds"
            except (OSError, ValueError, http.client.HTTPException) as error:
                return f"GET {path} got no answer ({error or type(error).__name__})"
        if not 200 <= response.status < 400:
            return f"GET {path} with Host {self._host} answered {response.status}"
        if check.content is not None and check.content not in body:
            return f"the answer to GET {path} does not contain {check.content!r}"
        return ""
