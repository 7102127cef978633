"""A runtime that runs nothing and remembers everything: for tests, in memory.

It keeps the contract of `paas.runtimes.base`: tokens, what happens at
`Ready`, what is kept from one `apply` to the next. All processes are healthy
at once, unless an `Outcome` for their command says otherwise.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from paas.runtimes.base import (
    AppSpec,
    Certificate,
    Event,
    LogSource,
    NotHealthy,
    ProcessSpec,
    ProcessState,
    ProcessStatus,
    Progress,
    Ready,
    RouteTable,
    RuntimeFailure,
    Size,
    StaleToken,
    Switched,
    Terminal,
    Usage,
)


@dataclass(frozen=True)
class Outcome:
    """How a command ends: a one-off prints `lines`; a process with a `status` is not healthy."""

    status: int = 0
    lines: tuple[str, ...] = ()


@dataclass(frozen=True)
class NullOneOff:
    """A one-off that has ended already."""

    name: str
    outcome: Outcome

    def lines(self) -> Iterator[str]:
        yield from self.outcome.lines

    def wait(self, timeout: float | None = None) -> int | None:
        return self.outcome.status

    def stop(self) -> None:
        return


class NullAttachment:
    """What the command printed lies in a pipe; nothing reads its standard input."""

    def __init__(self, outcome: Outcome, terminal: Terminal | None) -> None:
        self._outcome = outcome
        self.terminal = terminal
        self.stdout, near_out = os.pipe()
        near_in, self.stdin = os.pipe()
        stderr, near_err = os.pipe()
        self.stderr = None if terminal else stderr
        self._open = {self.stdin, self.stdout, stderr}
        os.write(near_out, "".join(f"{line}\n" for line in outcome.lines).encode())
        for near in (near_in, near_out, near_err):
            os.close(near)
        for stream in self._open:
            os.set_blocking(stream, False)

    def resize(self, terminal: Terminal) -> None:
        self.terminal = terminal

    def close_stdin(self) -> None:
        return

    def wait(self, timeout: float | None = None) -> int | None:
        return self._outcome.status

    def close(self) -> None:
        while self._open:
            os.close(self._open.pop())


@dataclass(frozen=True)
class _Wanted:
    """A process the spec asks for; the same `mark` means: keep the one there is."""

    name: str
    process: ProcessSpec
    mark: object


@dataclass(frozen=True)
class _Process:
    mark: object
    status: ProcessStatus


@dataclass
class _App:
    token: int = 0
    spec: AppSpec | None = None  # with the routing that holds
    live: dict[str, _Process] = field(default_factory=dict)
    awaited: dict[str, str] = field(default_factory=dict)  # attached one-offs: name → command


class NullRuntime:
    """Methods say in `paas.runtimes.base.Runtime` what they do.

    Args:
        outcomes: command → how it ends; commands not in it run well.
    """

    def __init__(self, outcomes: Mapping[str, Outcome] | None = None) -> None:
        self.outcomes = dict(outcomes or {})
        self.certificates: dict[str, Certificate] = {}
        self.one_offs: dict[tuple[str, str], NullOneOff] = {}  # detached
        self._apps: dict[str, _App] = {}
        self._lock = threading.Lock()

    def apply(self, spec: AppSpec, token: int) -> Iterator[Event]:
        with self._lock:
            app = self._apps.setdefault(spec.app_id, _App())
            if token < app.token:
                raise StaleToken(f"token {token} is older than {app.token}")
            app.token = token
            kept = app.live
        new = {}
        for one in _wanted(spec):
            known = kept.get(one.name)
            same = known is not None and known.mark == one.mark
            new[one.name] = known if known and same else self._start(spec, one)
        for name in new.keys() - kept.keys():
            yield Progress(f"{name} is up")
        yield Ready()
        with self._lock:
            if self._apps.get(spec.app_id) is not app or app.token != token:
                raise StaleToken(f"a newer change of {spec.name} has begun")
            app.spec = _with_newest_routing(spec, app.spec)
            for name, process in new.items():
                status = replace(process.status, release=spec.release)
                app.live[name] = replace(process, status=status)
            for name in app.live.keys() - new.keys():
                del app.live[name]
        yield Switched()

    def route(
        self, app_id: str, hosts: tuple[str, ...], *, maintenance: bool, routing: int
    ) -> None:
        with self._lock:
            app = self._apps.get(app_id)
            if app is not None and app.spec is not None and routing >= app.spec.routing:
                app.spec = replace(app.spec, hosts=hosts, maintenance=maintenance, routing=routing)

    def tend(self) -> bool:
        return False

    def observe(self, *app_ids: str) -> list[ProcessStatus]:
        with self._lock:
            return [
                process.status
                for key, app in self._apps.items()
                if not app_ids or key in app_ids
                for process in app.live.values()
            ]

    def run(
        self,
        spec: AppSpec,
        command: str,
        *,
        name: str,
        detached: bool = False,
        timeout: float | None = None,
        environment: Mapping[str, str] | None = None,
        size: Size | None = None,
    ) -> NullOneOff:
        one_off = NullOneOff(name, self.outcomes.get(command, Outcome()))
        if detached:
            with self._lock:
                self.one_offs[spec.app_id, name] = one_off
        return one_off

    def find_one_off(self, app_id: str, name: str) -> NullOneOff | None:
        return self.one_offs.get((app_id, name))

    def run_attached(
        self,
        spec: AppSpec,
        command: str,
        *,
        name: str,
        timeout: float,
        environment: Mapping[str, str] | None = None,
        size: Size | None = None,
    ) -> None:
        with self._lock:
            self._apps.setdefault(spec.app_id, _App()).awaited[name] = command

    def attach(self, app_id: str, name: str, terminal: Terminal | None) -> NullAttachment:
        with self._lock:
            command = self._apps.get(app_id, _App()).awaited.pop(name, None)
        if command is None:
            raise RuntimeFailure(f"{name} has ended, or somebody is attached to it already.")
        return NullAttachment(self.outcomes.get(command, Outcome()), terminal)

    def stop(self, app_id: str, name: str) -> bool:
        with self._lock:
            return self._apps.get(app_id, _App()).awaited.pop(name, None) is not None

    def remove(self, app_id: str, token: int) -> None:
        with self._lock:
            app = self._apps.get(app_id)
            if app is not None and token < app.token:
                raise StaleToken(f"token {token} is older than {app.token}")
            self._apps.pop(app_id, None)

    def apps(self) -> list[str]:
        with self._lock:
            return sorted(self._apps)

    def log_sources(self) -> list[LogSource]:
        return []

    def routes(self) -> RouteTable:
        with self._lock:
            specs = [app.spec for app in self._apps.values() if app.spec is not None]
        return RouteTable({host: spec.app_id for spec in specs for host in spec.hosts}, {})

    def certificate(self, host: str) -> Certificate:
        return self.certificates.get(host, Certificate(problem="nobody gives certificates here"))

    def metrics(self, app_id: str) -> list[Usage]:
        return [Usage(status.name, 0, 0.0) for status in self.observe(app_id)]

    def max_quantity(self, process_type: str) -> int | None:
        return None

    autoscales = True

    def drift(self, specs: Iterable[AppSpec]) -> Mapping[str, str]:
        return {spec.app_id: "" for spec in specs}

    def preview(self, spec: AppSpec) -> list[str]:
        return []

    def scaled_by(self, app_id: str, process_type: str) -> str:
        return ""

    def _start(self, spec: AppSpec, one: _Wanted) -> _Process:
        process = one.process
        outcome = self.outcomes.get(process.command, Outcome())
        if outcome.status:
            reason = f"exited with status {outcome.status}"
            raise NotHealthy(one.name, reason, output=outcome.lines[-20:])
        status = ProcessStatus(
            app_id=spec.app_id,
            name=one.name,
            type=process.type,
            state=ProcessState.UP,
            since=datetime.now(UTC),
            release=spec.release,
            command=process.command,
            size=process.size.name,
        )
        return _Process(one.mark, status)


def _with_newest_routing(spec: AppSpec, before: AppSpec | None) -> AppSpec:
    if before is None or spec.routing >= before.routing:
        return spec
    return replace(spec, hosts=before.hosts, maintenance=before.maintenance, routing=before.routing)


def _wanted(spec: AppSpec) -> Iterator[_Wanted]:
    for process in spec.processes:
        for index in range(1, process.quantity + 1):
            restarts = tuple(process.restarts.get(key, 0) for key in ("", str(index)))
            facts = (process.command, process.size, process.checks, restarts)
            mark = (spec.artifact.digest, dict(spec.environment), facts)
            yield _Wanted(f"{process.type}.{index}", process, mark)
