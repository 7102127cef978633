"""What follows a switch: drains, stops and clean-ups, one step at each call.

Every step reads the state, does what can be done without waiting, and
writes how far it came; so it goes on after a crash, whoever calls it next.
"""

from __future__ import annotations

import time

from paas.runtimes.local import sockets
from paas.runtimes.local.parts import Parts
from paas.runtimes.local.routes import UNLINK_AFTER
from paas.runtimes.local.state import AppState, Phase, Record, is_alive
from paas.runtimes.local.supervisor import Program, SupervisorDown

EXIT_STATUS_SECONDS = 5.0
"""How long the exit status of a detached one-off can be asked for."""

_PASSING = (
    *(Phase.STARTING, Phase.DRAINING, Phase.STOPPING),
    *(Phase.ONE_OFF, Phase.CHILD, Phase.AWAITING, Phase.SESSION),
)


def tend(parts: Parts) -> bool:
    """One step for every app that needs it; True while something is left to do."""
    pending = parts.pending()
    if not pending:
        return False
    try:
        for app_id in pending:
            tend_app(parts, app_id)
    except SupervisorDown:
        return True
    return bool(parts.pending())


def tend_app(parts: Parts, app_id: str) -> None:
    """One step for one app.

    Raises:
        SupervisorDown: nothing can be stopped or cleared now.
    """
    programs = parts.supervisor.programs(app_id + ".")
    with parts.store.locked(app_id) as slot:
        state = slot.state
        if state.among(Phase.DRAINING) and not state.removed:
            parts.routes.set(state.hosts, state.web_ports, maintenance=state.maintenance)
        for record in state.among(*_PASSING):
            state = _step(parts, state, record, programs)
            slot.save(state)
        if state.among(*_PASSING) or not parts.routes.tidy(state.hosts):
            return
        if state.removed or (not state.release and not state.records):
            slot.forget()  # nothing has ever been switched to, or never will be again
        parts.unmark_pending(app_id)


def _step(parts: Parts, state: AppState, record: Record, programs: dict[str, Program]) -> AppState:
    now = time.time()
    overdue = bool(record.deadline) and now >= record.deadline
    match record.phase:
        case Phase.STOPPING:
            return _stop(parts, state, record, programs)
        case Phase.DRAINING if overdue or _is_drained(record, now):
            return _stop(parts, state, record.enter(Phase.STOPPING), programs)
        case Phase.STARTING if not is_alive(record.owner):
            return _stop(parts, state, record.enter(Phase.STOPPING), programs)
        case Phase.ONE_OFF | Phase.AWAITING if overdue or _has_ended(state, record, programs):
            return _stop(parts, state, record.enter(Phase.STOPPING), programs)
        case Phase.SESSION if overdue or not is_alive(record.owner):
            return _end_session(parts, state, record, programs)
        case Phase.SESSION if _is_over(state, record, programs):
            return _stop(parts, state, record.enter(Phase.STOPPING), programs)
        case Phase.CHILD if not is_alive(record.owner):
            parts.processes.clear_files(record.program(state.app_id))
            return state.drop(record.id)
    return state


def _end_session(
    parts: Parts, state: AppState, record: Record, programs: dict[str, Program]
) -> AppState:
    """Stop it and leave it, until whoever holds its streams knows how it ended."""
    if _is_over(state, record, programs):
        return _stop(parts, state, record.enter(Phase.STOPPING), programs)
    parts.supervisor.stop(record.program(state.app_id))
    return state


def _stop(parts: Parts, state: AppState, record: Record, programs: dict[str, Program]) -> AppState:
    """Tell it to stop, or clear away what has stopped."""
    program = record.program(state.app_id)
    if program in programs and programs[program].pid:
        parts.supervisor.stop(program)
    elif parts.processes.clear(state.app_id, record):
        return state.drop(record.id)
    return state.put(record)


def _is_drained(record: Record, now: float) -> bool:
    """A request that chose the old route just before the switch may still be on its way."""
    assert record.port is not None
    return now - record.since >= UNLINK_AFTER and not sockets.established([record.port])


def _has_ended(state: AppState, record: Record, programs: dict[str, Program]) -> bool:
    """Whether a one-off has ended, or was never started because its owner died."""
    being_started = record.program(state.app_id) not in programs and is_alive(record.owner)
    return not being_started and _is_over(state, record, programs)


def _is_over(state: AppState, record: Record, programs: dict[str, Program]) -> bool:
    """Whether it ended so long ago that whoever waits for it knows its exit status."""
    program = programs.get(record.program(state.app_id))
    if program is None:
        return True
    return not program.pid and time.time() - program.ended >= EXIT_STATUS_SECONDS
