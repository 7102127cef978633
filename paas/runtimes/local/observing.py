"""What runs, where it listens and logs, and what it uses."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime

from paas import sandbox
from paas.runtimes.base import LogSource, ProcessState, ProcessStatus, RouteTable, Usage
from paas.runtimes.local.health import explain_end
from paas.runtimes.local.parts import Parts
from paas.runtimes.local.state import AppState, Phase, Record, is_alive
from paas.runtimes.local.supervisor import Program, SupervisorDown


def observe(parts: Parts, *app_ids: str) -> list[ProcessStatus]:
    """The body of `Runtime.observe`; without supervisord all processes are down."""
    states = [parts.store.read(app_id) for app_id in app_ids] if app_ids else parts.store.all()
    prefixes = [f"{app_id}." for app_id in app_ids]
    programs = programs_of(parts, *prefixes) if any(state.records for state in states) else {}
    found = (
        _status(state, record, programs.get(record.program(state.app_id)))
        for state in states
        for record in state.records
    )
    return [status for status in found if status is not None]


def log_sources(parts: Parts) -> list[LogSource]:
    """The body of `Runtime.log_sources`."""
    return [
        LogSource(app_id, path.stem, path)
        for app_id in parts.store.app_ids()
        for path in parts.processes.raw_logs(app_id)
    ]


def routes(parts: Parts) -> RouteTable:
    """The body of `Runtime.routes`; processes that drain still answer."""
    states = parts.store.all()
    return RouteTable(
        hosts={host: state.app_id for state in states for host in state.hosts},
        ports={r.port: r.name for state in states for r in state.records if r.port is not None},
    )


def metrics(parts: Parts, app_id: str) -> list[Usage]:
    """The body of `Runtime.metrics`."""
    found = []
    for name, program in programs_of(parts, f"{app_id}.").items():
        use = sandbox.usage(name, program.pid or None)
        if use is not None:
            process = name.removeprefix(f"{app_id}.").rpartition(".")[0]
            found.append(Usage(process, use.memory, use.cpu))
    return sorted(found, key=lambda usage: usage.name)


def programs_of(parts: Parts, *prefixes: str) -> dict[str, Program]:
    """All programs, or those with one of `prefixes`; none without supervisord."""
    with suppress(SupervisorDown):
        return parts.supervisor.programs(*prefixes)
    return {}


def _status(state: AppState, record: Record, program: Program | None) -> ProcessStatus | None:
    """None for a one-off that has ended."""
    match record.phase:
        case Phase.STARTING:
            return _shown(state, record, ProcessState.STARTING, program=program)
        case Phase.DRAINING | Phase.STOPPING:
            return _shown(state, record, ProcessState.STOPPING, program=program)
        case Phase.ONE_OFF | Phase.AWAITING | Phase.SESSION:
            return _one_off(state, record, program)
        case Phase.CHILD:
            alive = is_alive(record.owner)
            return _shown(state, record, ProcessState.UP) if alive else None
    return _live(state, record, program)


def _live(state: AppState, record: Record, program: Program | None) -> ProcessStatus:
    if program is None:
        return _shown(state, record, ProcessState.DOWN, reason="Lost with its supervisor")
    if program.pid:
        return _shown(state, record, ProcessState.UP, since=program.started, program=program)
    why, _ = explain_end(program, record.program(state.app_id))
    return _shown(
        state,
        record,
        ProcessState.CRASHED,
        since=program.ended,
        program=program,
        reason=f"Process {why}",
    )


def _one_off(state: AppState, record: Record, program: Program | None) -> ProcessStatus | None:
    if program is None and record.phase is not Phase.SESSION and is_alive(record.owner):
        return _shown(state, record, ProcessState.STARTING)
    if program is None or not program.pid:
        return None
    now = ProcessState.STARTING if record.phase is Phase.AWAITING else ProcessState.UP
    return _shown(state, record, now, since=program.started, program=program)


def _shown(
    state: AppState,
    record: Record,
    process_state: ProcessState,
    *,
    since: float | None = None,
    program: Program | None = None,
    reason: str = "",
) -> ProcessStatus:
    return ProcessStatus(
        app_id=state.app_id,
        name=record.name,
        type=record.type,
        state=process_state,
        since=datetime.fromtimestamp(since or record.since, UTC),
        release=record.release,
        command=record.command,
        size=record.size,
        pid=(program.pid or None) if program else record.pid or None,
        restarts=program.restarts if program else 0,
        reason=reason,
    )
