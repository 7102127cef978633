"""What nobody's record knows: left by a kill at an unlucky moment, cleared once a minute.

A record is written before the thing it is for is made, and dropped after
that is gone; so what is listed first and not recorded afterwards is litter.
"""

from __future__ import annotations

import time

from paas.runtimes.local.parts import Parts

RAW_LOG_SECONDS = 3600.0
"""How long the raw output of a process that is no more is kept, for whoever still reads it."""
_PORT_SECONDS = 60.0  # a port is reserved a moment before its record is written


def sweep(parts: Parts) -> None:
    """Clear litter away; what is still dying goes next time.

    Raises:
        SupervisorDown: nobody can say what runs.
    """
    programs = parts.supervisor.programs()
    files = parts.processes.known_by_files()
    ports = parts.processes.ports.reserved(before=time.time() - _PORT_SECONDS)
    hosts = parts.routes.known()
    states = parts.store.all()
    known = {record.program(state.app_id) for state in states for record in state.records}
    for name in programs.keys() - known:
        parts.supervisor.kill(name)
        parts.supervisor.remove(name)
    for name in files - known - programs.keys():
        parts.processes.clear_files(name)
    for port, name in ports.items():
        if name not in known:
            parts.processes.ports.release(port)
    parts.routes.remove(hosts.difference(*(state.hosts for state in states)))
    for state in states:
        _sweep_raw_logs(parts, state.app_id, {record.name for record in state.records})


def _sweep_raw_logs(parts: Parts, app_id: str, names: set[str]) -> None:
    limit = time.time() - RAW_LOG_SECONDS
    for path in parts.processes.raw_logs(app_id):
        if path.stem not in names and path.stat().st_mtime < limit:
            path.with_name(path.name + ".1").unlink(missing_ok=True)
            path.unlink(missing_ok=True)
