"""The gate that a new process must pass before anything is switched to it.

A web process must accept on its port and still be up a moment later; a
server that binds before it has loaded the app (gunicorn) must also answer
something, so that an app which dies at its first import is found out.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event

from paas import sandbox
from paas.runtimes.base import NotHealthy, ProcessSpec
from paas.runtimes.local import sockets
from paas.runtimes.local.checks import CheckRun, RunCommand, startup
from paas.runtimes.local.launch import NOT_STARTED
from paas.runtimes.local.state import Record
from paas.runtimes.local.supervisor import Program

STEADY = 0.25
"""Seconds a process must stay up after it first accepts (or, without a port, starts)."""
FIRST_ANSWER = 10.0
"""Seconds a web process may take to answer the first request; then being up is enough."""
_POLL = 0.01
_AFTERLIFE = 1.0
_OUTPUT_LINES = 20


class PortTaken(Exception):
    """Somebody else listens on the port this process was given."""


class Cancelled(Exception):
    """Another process of the same change has failed, or a newer change has begun."""


@dataclass(frozen=True)
class Candidate:
    """A process that has just been started.

    Args:
        pid: bubblewrap's; 0 if it has ended already.
        host: what a browser would send as `Host`.
        log: its raw output, `log_start` the size of that before the start.
        program: asks supervisord about it.
        run_command: runs a health check's command beside it.
    """

    record: Record
    process: ProcessSpec
    pid: int
    host: str
    box: str
    log: Path
    log_start: int
    program: Callable[[], Program | None]
    run_command: RunCommand

    def failed(self, reason: str, hint: str = "") -> NotHealthy:
        return NotHealthy(self.record.name, reason, hint=hint, output=self._output())

    def _output(self) -> tuple[str, ...]:
        """The last lines it printed."""
        return tail(self.log, self.log_start)


class Gate:
    """Watches one candidate until it is healthy, dead or called off."""

    def __init__(self, candidate: Candidate, cancelled: Event, boot_timeout: float) -> None:
        self.candidate = candidate
        self._cancelled = cancelled
        self._boot_timeout = boot_timeout
        self._pidfd = _pidfd(candidate.pid)

    def wait(self) -> None:
        """Return when the process is healthy.

        Raises:
            NotHealthy: it is not, and why.
            PortTaken: try it again with another port.
            Cancelled: the caller no longer wants to know.
        """
        try:
            if self.candidate.record.port is None:
                self._wait_for_command()
                self.pause(STEADY)
            else:
                self._wait_for_web(self.candidate.record.port)
            self._run_checks()
        finally:
            if self._pidfd is not None:
                os.close(self._pidfd)

    def pause(self, seconds: float) -> None:
        """Wait; notice at once if the process dies or the change is called off."""
        deadline = time.monotonic() + seconds
        while True:
            left = deadline - time.monotonic()
            self._check(max(0.0, min(left, 0.1)))
            if left <= 0:
                return

    def _check(self, seconds: float) -> None:
        """Wait up to `seconds` for a reason to give up."""
        if self._pidfd is None or select.select([self._pidfd], [], [], seconds)[0]:
            self._died()
        if self._cancelled.is_set():
            raise Cancelled

    def _run_checks(self) -> None:
        one = self.candidate
        run = CheckRun(one.record.port, one.host, self.pause, one.run_command, one.failed)
        run.all(startup(one.process.checks))

    def _wait_for_command(self) -> None:
        """Until the sandbox is made and the app's own command runs in it."""
        deadline = time.monotonic() + self._boot_timeout
        while not _runs_command(self.candidate.pid) and time.monotonic() < deadline:
            self._check(_POLL)

    def _wait_for_web(self, port: int) -> None:
        self._wait_for_accept(port)
        if any(check.path for check in startup(self.candidate.process.checks)):
            self.pause(STEADY)
            return  # that check asks more than our first request
        first = FirstRequest(port, self.candidate.host)
        try:
            self.pause(STEADY)
            deadline = time.monotonic() + FIRST_ANSWER
            while first.waits() and time.monotonic() < deadline:
                self._check(_POLL)
            if not first.answered:
                self.pause(STEADY)  # it may have broken off because it is dying
        finally:
            first.close()

    def _wait_for_accept(self, port: int) -> None:
        deadline = time.monotonic() + self._boot_timeout
        while time.monotonic() < deadline:
            self._check(_POLL)
            if _accepts(port):
                self._check_owner(port)
                return
        raise self._never_bound(port)

    def _check_owner(self, port: int) -> None:
        if not any(one.port == port for one in self._listeners()):
            self._check(0.05)  # it may have died meanwhile
            raise PortTaken

    def _listeners(self) -> list[sockets.Listener]:
        return sockets.listeners(sandbox.members(self.candidate.pid))

    def _never_bound(self, port: int) -> NotHealthy:
        seconds = f"{self._boot_timeout:g} seconds"
        found = self._listeners()
        mine = [one for one in found if one.port == port]
        if mine:
            return self.candidate.failed(
                f"listens on {mine[0].address}, where the front door cannot reach it",
                "Bind to 0.0.0.0 (all addresses), port $PORT.",
            )
        if found:
            return self.candidate.failed(
                f"listens on port {found[0].port}, not on $PORT ({port})",
                "Read the port from the environment variable PORT and bind to 0.0.0.0.",
            )
        return self.candidate.failed(
            f"did not accept connections on $PORT ({port}) within {seconds}",
            "Bind to 0.0.0.0, port $PORT, soon after the start; move slow work to later.",
        )

    def _died(self) -> None:
        """
        Raises:
            NotHealthy, PortTaken: always one of them.
        """
        port = self.candidate.record.port
        if port is not None and _stays_in_use(port):
            raise PortTaken
        limit = self.candidate.process.size.memory_mb
        reason, hint = explain_end(self._end(), self.candidate.box, limit)
        raise self.candidate.failed(reason, hint)

    def _end(self) -> Program | None:
        """How supervisord says that it ended; it learns of a death a moment after us."""
        for _ in range(200):
            program = self.candidate.program()
            if program is None or self._has_ended(program):
                return program
            time.sleep(_POLL)
        return None

    def _has_ended(self, program: Program) -> bool:
        return program.exit is not None and program.pid != self.candidate.pid


class FirstRequest:
    """`HEAD /` sent to a new web process; any answer will do, even a refusal."""

    def __init__(self, port: int, host: str) -> None:
        self.answered = False
        self._socket: socket.socket | None = None
        text = (
            f"HEAD / HTTP/1.1\r\nHost: {host}\r\nUser-Agent: paas-health\r\n"
            "X-Forwarded-Proto: http\r\nConnection: close\r\n\r\n"
        )
        try:
            self._socket = socket.create_connection(("127.0.0.1", port), timeout=1)
            self._socket.sendall(text.encode("ascii", "replace"))
            self._socket.setblocking(False)
        except OSError:
            self.close()

    def waits(self) -> bool:
        """Whether it is neither answered nor closed without an answer (no HTTP server)."""
        if self._socket is None or self.answered:
            return False
        if not select.select([self._socket], [], [], 0)[0]:
            return True
        with suppress(OSError):
            self.answered = bool(self._socket.recv(1))
        return False

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
        self._socket = None


def explain_end(program: Program | None, box: str, memory_mb: int | None = None) -> tuple[str, str]:
    """Why the process in the sandbox `box` has ended: reason and hint, for `NotHealthy`."""
    status = program.exit if program else None
    if (program and program.over_memory) or sandbox.oom_killed(box):
        limit = f"{memory_mb} MB of memory" if memory_mb else "memory limit"
        return (
            f"was killed because it used more than its {limit}",
            "Let it use less (fewer server processes or threads), or scale it to a larger size.",
        )
    if status is None:
        return "ended", "Its output says more."
    if status == 0:
        return (
            "ended by itself (exit status 0)",
            "A process must stay in the foreground: switch daemon mode off, and end no shell "
            "line with `&`.",
        )
    number = -status if status < 0 else status - 128
    if status == NOT_STARTED:
        return "could not be started", ""
    if status < 0 or status > 128:  # sh and bubblewrap: 128 + signal
        return f"was ended by {_signal_name(number)}", ""
    hints = {
        126: "The command exists but cannot be executed: is its file executable?",
        127: "The command was not found: is it installed by the build and spelled right?",
    }
    return f"exited with status {status}", hints.get(status, "")


def tail(log: Path, start: int) -> tuple[str, ...]:
    """The last lines of a raw log written after it was `start` bytes long."""
    try:
        with log.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            begin = start if size >= start else 0  # it was rotated meanwhile
            file.seek(max(begin, size - 16 * 1024))
            text = file.read().decode(errors="replace")
    except FileNotFoundError:
        return ()
    return tuple(text.splitlines()[-_OUTPUT_LINES:])


def _runs_command(pid: int) -> bool:
    """Whether anything runs in the sandbox but the helpers that make it."""
    ours = sandbox.OUR_FOLDER.encode()
    for member in sandbox.members(pid):
        with suppress(OSError):
            command = Path(f"/proc/{member}/cmdline").read_bytes()
            if command and ours not in command:
                return True
    return False


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _accepts(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _stays_in_use(port: int) -> bool:
    """Whether others listen there: those inside outlive bubblewrap's end by a moment."""
    deadline = time.monotonic() + _AFTERLIFE
    while sockets.in_use(port):
        if time.monotonic() >= deadline:
            return True
        time.sleep(_POLL)
    return False


def _pidfd(pid: int) -> int | None:
    try:
        return os.pidfd_open(pid) if pid else None
    except ProcessLookupError:
        return None
