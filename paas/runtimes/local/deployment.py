"""One `apply`: start what is missing, wait until it is healthy, switch, let the rest drain.

What happens is written to the app's state first, so that at whatever point
this is killed, `tend` or the next `apply` finishes or undoes it.
"""

from __future__ import annotations

import secrets
import shlex
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass, replace
from threading import Event as Flag

from paas import faults
from paas.runtimes.base import (
    AppSpec,
    Event,
    LimitExceeded,
    ProcessSpec,
    Progress,
    Ready,
    RuntimeFailure,
    Size,
    StaleToken,
    Switched,
    Waiting,
)
from paas.runtimes.local import oneoffs
from paas.runtimes.local.health import Candidate, Gate, PortTaken
from paas.runtimes.local.parts import Parts
from paas.runtimes.local.processes import fingerprint
from paas.runtimes.local.routes import SLOTS
from paas.runtimes.local.state import AppState, Phase, Record, owner
from paas.runtimes.local.supervisor import Program, SupervisorDown

MOST_PROCESSES = 100
"""Processes of one app on this machine."""
DRAIN_LIMIT = 30.0
"""Seconds the requests of a replaced web process may last."""
_PORT_ATTEMPTS = 3


@dataclass(frozen=True)
class Wanted:
    """One process that the spec asks for."""

    process: ProcessSpec
    index: int
    fingerprint: str

    @property
    def name(self) -> str:
        return f"{self.process.type}.{self.index}"

    @property
    def key(self) -> tuple[str, str]:
        """Equal keys, equal processes."""
        return self.name, self.fingerprint


def wanted(spec: AppSpec) -> list[Wanted]:
    """All processes of the spec.

    Raises:
        LimitExceeded: more than this runtime runs.
    """
    web = sum(process.quantity for process in spec.processes if process.routed)
    if web > SLOTS:
        raise LimitExceeded(
            f"web={web} is more than one machine balances: the most is {SLOTS}. "
            f"Scale to web={SLOTS} or fewer, and let each process serve more with threads."
        )
    total = sum(process.quantity for process in spec.processes)
    if total > MOST_PROCESSES:
        raise LimitExceeded(
            f"{total} processes are more than one app may have on one machine: the most is "
            f"{MOST_PROCESSES}. Scale some process types down."
        )
    return [
        Wanted(process, index, fingerprint(spec, process, index))
        for process in spec.processes
        for index in range(1, process.quantity + 1)
    ]


class Deployment:
    """Makes one spec true; its caller drives `steps()`."""

    def __init__(self, parts: Parts, spec: AppSpec, token: int) -> None:
        self._parts = parts
        self._spec = spec
        self._token = token
        self._cancelled = Flag()
        self._plan = wanted(spec)
        self._new: dict[str, Record] = {}  # by the process's name

    def steps(self) -> Iterator[Event]:
        """The body of `Runtime.apply`; see the contract there."""
        missing = self._begin()
        try:
            yield from self._start(missing)
            faults.point("local.ready")
            yield Ready()
            faults.point("local.switch")
            self._switch()
        except BaseException:
            self._discard()
            raise
        yield Switched()

    # --- start ------------------------------------------------------------------
    def _begin(self) -> list[Wanted]:
        """Record what is going to be started, and what has been lost."""
        app_id = self._spec.app_id
        self._parts.mark_pending(app_id)
        with self._parts.store.locked(app_id) as slot:
            slot.state.check(self._token)
            programs = self._parts.supervisor.programs(app_id + ".")
            state = _without_leftovers(slot.state, programs)
            kept = {(r.name, r.fingerprint) for r in state.among(Phase.LIVE)}
            missing = [one for one in self._plan if one.key not in kept]
            self._new = {one.name: self._record(one) for one in missing}
            state = replace(state, token=self._token, removed=False).put(*self._new.values())
            slot.save(state)
        return missing

    def _record(self, one: Wanted) -> Record:
        record = Record(
            id=secrets.token_hex(4),
            name=one.name,
            phase=Phase.LIVE,
            release=self._spec.release,
            fingerprint=one.fingerprint,
            command=one.process.command,
            size=one.process.size.name,
        ).enter(Phase.STARTING)
        record = replace(record, owner=owner())
        if not one.process.routed:
            return record
        return replace(
            record, port=self._parts.processes.ports.reserve(record.program(self._spec.app_id))
        )

    def _start(self, missing: list[Wanted]) -> Iterator[Event]:
        """Start processes side by side and wait until all are healthy."""
        if not missing:
            return
        yield Progress("Starting " + ", ".join(one.name for one in missing))
        with ThreadPoolExecutor(len(missing), thread_name_prefix="start") as pool:
            futures = {pool.submit(self._bring_up, one): one.name for one in missing}
            try:
                while futures:
                    yield from self._next(futures)
            except BaseException:
                self._cancelled.set()
                raise

    def _next(self, futures: dict[Future[None], str]) -> Iterator[Event]:
        """Wait for the next healthy ones, but not for ever: somebody newer may have come."""
        done, _ = wait(futures, timeout=0.25, return_when=FIRST_COMPLETED)
        for future in done:
            future.result()
            yield Progress(f"{futures.pop(future)} is up")
        if not done:
            if self._parts.store.read(self._spec.app_id).token != self._token:
                raise self._stale()
            yield Waiting()

    def _bring_up(self, one: Wanted) -> None:
        """Start one process and pass it through the gate."""
        for _ in range(_PORT_ATTEMPTS):
            try:
                Gate(self._launch(one), self._cancelled, self._parts.boot_timeout).wait()
            except PortTaken:
                self._move_to_other_port(one)
            else:
                return
        raise RuntimeFailure(
            f"{one.name} found its port taken {_PORT_ATTEMPTS} times. Try again; if it happens "
            "again, look for what else listens on ports 20000 to 31999 of this machine."
        )

    def _launch(self, one: Wanted) -> Candidate:
        parts, spec, record = self._parts, self._spec, self._new[one.name]
        log = parts.processes.raw_log(spec.app_id, record.name)
        log_start = log.stat().st_size if log.exists() else 0
        program = record.program(spec.app_id)
        return Candidate(
            record=record,
            process=one.process,
            pid=parts.processes.start(spec, record, one.process.size),
            host=parts.browser_host(spec.hosts[0]) if spec.hosts else "localhost",
            box=program,
            log=log,
            log_start=log_start,
            program=lambda: parts.supervisor.programs(program).get(program),
            run_command=lambda argv, timeout: self._run_check(record, argv, timeout),
        )

    def _run_check(self, record: Record, argv: tuple[str, ...], timeout: float) -> str:
        """A health check's command, in a sandbox like the process's own; "" or what is wrong."""
        run = oneoffs.run(
            self._parts,
            self._spec,
            shlex.join(argv),
            name=f"check.{record.id}",
            detached=False,
            timeout=timeout,
            environment={"PORT": str(record.port)} if record.port else {},
            size=Size(),
        )
        said = list(run.lines())
        status = run.wait()
        if status == 0:
            return ""
        return f"its command ended with status {status}" + (f" ({said[-1]})" if said else "")

    def _move_to_other_port(self, one: Wanted) -> None:
        old = self._new[one.name]
        self._parts.supervisor.kill(old.program(self._spec.app_id))
        with self._parts.store.locked(self._spec.app_id) as slot:
            slot.state.check(self._token)
            new = self._new[one.name] = self._record(one)
            slot.save(slot.state.put(old.enter(Phase.STOPPING), new))

    # --- switch -------------------------------------------------------------------
    def _switch(self) -> None:
        """Make the new processes the live ones: first in the state, then in the routes."""
        spec, parts = self._spec, self._parts
        with parts.store.locked(spec.app_id) as slot:
            if slot.state.token != self._token or slot.state.removed:
                raise self._stale()
            before = set(slot.state.hosts)
            state = slot.save(self._switched(slot.state))
            faults.point("local.committed")
            parts.routes.set(state.hosts, state.web_ports, maintenance=state.maintenance)
            if state.routing == spec.routing:
                parts.own.set(state.hosts, spec.certificates)
            gone = before.difference(state.hosts)
        parts.drop_hosts(spec.app_id, gone)

    def _switched(self, state: AppState) -> AppState:
        planned = {one.key for one in self._plan}
        live = state.put(*(record.enter(Phase.LIVE) for record in self._new.values()))
        new = {record.id for record in self._new.values()}
        changed = []
        for record in live.among(Phase.LIVE):
            if record.id in new:
                continue
            if (record.name, record.fingerprint) in planned:
                changed.append(replace(record, release=self._spec.release))
            elif record.port is not None:
                changed.append(record.enter(Phase.DRAINING, seconds=DRAIN_LIMIT))
            else:
                changed.append(record.enter(Phase.STOPPING))
        return replace(live.put(*changed), release=self._spec.release).routed(
            self._spec.hosts, maintenance=self._spec.maintenance, routing=self._spec.routing
        )

    def _stale(self) -> StaleToken:
        return StaleToken(f"a newer change of {self._spec.name} has begun")

    # --- undo ---------------------------------------------------------------------
    def _discard(self) -> None:
        """Stop what this apply has started; `tend` clears it away."""
        self._cancelled.set()
        mine = {record.id for record in self._new.values()}
        with self._parts.store.locked(self._spec.app_id) as slot:
            starting = [r for r in slot.state.among(Phase.STARTING) if r.id in mine]
            slot.save(slot.state.put(*(record.enter(Phase.STOPPING) for record in starting)))
        with suppress(SupervisorDown):
            for record in starting:
                self._parts.supervisor.stop(record.program(self._spec.app_id))


def _without_leftovers(state: AppState, programs: dict[str, Program]) -> AppState:
    """Stop what an earlier apply left unfinished, and bury what died with supervisord."""
    lost = (r for r in state.among(Phase.LIVE) if r.program(state.app_id) not in programs)
    leftovers = (*state.among(Phase.STARTING), *lost)
    return state.put(*(record.enter(Phase.STOPPING) for record in leftovers))
