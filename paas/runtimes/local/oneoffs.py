"""One-offs: processes that run once, beside an app's own ones, from the same build and config.

One that is waited for is a child of ours and dies with the thread that started
it. A detached one belongs to supervisord, and so does one that a client is
attached to (see `attaching`); `tend` ends them when their time is up.
"""

from __future__ import annotations

import os
import secrets
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import BinaryIO

from paas import sandbox
from paas.runtimes.base import AppSpec, LimitExceeded, RuntimeFailure, Size
from paas.runtimes.local.parts import Parts
from paas.runtimes.local.state import Phase, Record, owner
from paas.runtimes.local.supervisor import Program
from paas.sandbox.spec import SandboxError

MOST_ONE_OFFS = 10
"""How many detached and attached one-offs of a type ("run") an app may run at once."""
_SUPERVISED = (Phase.ONE_OFF, Phase.AWAITING, Phase.SESSION)
_LONGEST_LINE = 64 * 1024
_POLL = 0.05


class ChildRun:
    """A `OneOff` that is a child of this process."""

    def __init__(
        self,
        parts: Parts,
        app_id: str,
        record: Record,
        child: sandbox.Child,
        output: BinaryIO,
    ) -> None:
        self.name = record.name
        self._parts, self._app_id, self._record = parts, app_id, record
        self._child, self._output = child, output
        self._timer: threading.Timer | None = None
        self._lock = threading.Lock()

    def stop_after(self, seconds: float) -> None:
        """Stop it when it still runs then."""
        self._timer = threading.Timer(seconds, self.stop)
        self._timer.daemon = True
        self._timer.start()

    def lines(self) -> Iterator[str]:
        """See `OneOff.lines`; a very long line comes in pieces."""
        with self._output:
            while line := self._output.readline(_LONGEST_LINE):
                yield line.decode(errors="replace").rstrip("\r\n")
        self.wait()

    def wait(self, timeout: float | None = None) -> int | None:
        """See `OneOff.wait`."""
        status = self._child.wait(timeout)
        if status is not None:
            self._settle()
        return status

    def stop(self) -> None:
        """See `OneOff.stop`."""
        self._child.stop(self._parts.stop_timeout)
        self._settle()

    def _settle(self) -> None:
        with self._lock:
            if self._timer is not None:
                self._timer.cancel()
            self._parts.processes.clear_files(self._record.program(self._app_id))
            with self._parts.store.locked(self._app_id) as slot:
                slot.save(slot.state.drop(self._record.id))


class DetachedRun:
    """A `OneOff` that supervisord runs."""

    def __init__(self, parts: Parts, app_id: str, record: Record, log_start: int) -> None:
        self.name = record.name
        self._parts, self._program = parts, record.program(app_id)
        self._log, self._read = parts.processes.raw_log(app_id, record.name), log_start
        self._status: int | None = None

    def lines(self) -> Iterator[str]:
        """See `OneOff.lines`: what is in the app's raw log."""
        rest = b""
        ended = False
        while not ended:
            ended = self.wait(_POLL) is not None
            *whole, rest = (rest + self._new_output()).split(b"\n")
            yield from (line.decode(errors="replace").rstrip("\r") for line in whole)
        if rest:
            yield rest.decode(errors="replace")

    def wait(self, timeout: float | None = None) -> int | None:
        """See `OneOff.wait`; 1 when nobody knows any more how it ended."""
        if self._status is None:
            self._status = wait(self._parts, self._program, timeout)
        return self._status

    def stop(self) -> None:
        """See `OneOff.stop`; returns when it has ended."""
        self._parts.supervisor.stop(self._program)
        self.wait()

    def _new_output(self) -> bytes:
        with self._log.open("rb") as file:
            file.seek(self._read)
            data = file.read()
        self._read += len(data)
        return data


def run(
    parts: Parts,
    spec: AppSpec,
    command: str,
    *,
    name: str,
    detached: bool,
    timeout: float | None,
    environment: Mapping[str, str],
    size: Size,
) -> ChildRun | DetachedRun:
    """The body of `Runtime.run`.

    Raises:
        RuntimeFailure: it could not be started.
    """
    phase = Phase.ONE_OFF if detached else Phase.CHILD
    record = _record(parts, spec, command, name, phase, size, timeout)
    if not detached:
        return _child(parts, spec, record, size, environment, timeout)
    log = parts.processes.raw_log(spec.app_id, record.name)
    log_start = log.stat().st_size if log.exists() else 0
    _supervised(parts, spec, record, size, environment)
    return DetachedRun(parts, spec.app_id, record, log_start)


def run_attached(
    parts: Parts,
    spec: AppSpec,
    command: str,
    *,
    name: str,
    timeout: float,
    environment: Mapping[str, str],
    size: Size,
) -> None:
    """The body of `Runtime.run_attached`."""
    record = _record(parts, spec, command, name, Phase.AWAITING, size, timeout)
    _supervised(parts, spec, record, size, environment)


def stop(parts: Parts, app_id: str, name: str) -> bool:
    """The body of `Runtime.stop`; `tend` clears it away when whoever waits for it knows its end."""
    records = parts.store.read(app_id).among(*_SUPERVISED)
    found = [record for record in records if record.name == name]
    for record in found:
        parts.supervisor.stop(record.program(app_id))
    return bool(found)


def wait(parts: Parts, program: str, timeout: float | None) -> int | None:
    """The exit status of a program of supervisord's; None if it still runs after `timeout`."""
    deadline = None if timeout is None else time.monotonic() + timeout
    while (status := _status(parts.supervisor.programs(program).get(program))) is None:
        if deadline is not None and time.monotonic() >= deadline:
            break
        time.sleep(_POLL)
    return status


def _record(
    parts: Parts,
    spec: AppSpec,
    command: str,
    name: str,
    phase: Phase,
    size: Size,
    timeout: float | None,
) -> Record:
    """Note what will be started, if there is room for it.

    Raises:
        LimitExceeded: there are `MOST_ONE_OFFS` of this app.
    """
    record = Record(
        id=secrets.token_hex(4),
        name=name,
        phase=phase,
        release=spec.release,
        fingerprint="",
        command=command,
        size=size.name,
    ).enter(phase, seconds=timeout or 0.0)
    record = replace(record, owner=owner())
    with parts.store.locked(spec.app_id) as slot:
        alike = [one for one in slot.state.among(*_SUPERVISED) if one.type == record.type]
        if phase in _SUPERVISED and _running(parts, spec.app_id, alike) >= MOST_ONE_OFFS:
            raise LimitExceeded(f"{MOST_ONE_OFFS} one-off processes are running")
        slot.save(slot.state.put(record))
    parts.mark_pending(spec.app_id)
    return record


def _running(parts: Parts, app_id: str, records: Sequence[Record]) -> int:
    """How many have not ended; those that have are kept a moment for their exit status."""
    if len(records) < MOST_ONE_OFFS:
        return len(records)
    programs = parts.supervisor.programs(app_id + ".")
    ended = [
        record
        for record in records
        if (program := programs.get(record.program(app_id))) and _status(program) is not None
    ]
    return len(records) - len(ended)


def find(parts: Parts, app_id: str, name: str) -> DetachedRun | None:
    """The body of `Runtime.find_one_off`.

    Raises:
        SupervisorDown: nobody can say what runs.
    """
    records = parts.store.read(app_id).among(Phase.ONE_OFF, Phase.STOPPING)
    record = next((record for record in records if record.name == name), None)
    if record is None:
        return None
    program = record.program(app_id)
    if program not in parts.supervisor.programs(program):
        return None  # never started, or lost with its supervisor
    log = parts.processes.raw_log(app_id, name)
    return DetachedRun(parts, app_id, record, log.stat().st_size if log.exists() else 0)


def _supervised(
    parts: Parts, spec: AppSpec, record: Record, size: Size, extra: Mapping[str, str]
) -> None:
    try:
        parts.processes.start(spec, record, size, extra=extra)
    except BaseException:
        parts.processes.clear_files(record.program(spec.app_id))
        with parts.store.locked(spec.app_id) as slot:
            slot.save(slot.state.drop(record.id))
        raise
    with parts.store.locked(spec.app_id) as slot:  # from now on it lives without us
        slot.save(slot.state.put(replace(record, owner="")))


def _child(
    parts: Parts,
    spec: AppSpec,
    record: Record,
    size: Size,
    extra: Mapping[str, str],
    timeout: float | None,
) -> ChildRun:
    reader, writer = os.pipe()
    output = os.fdopen(reader, "rb")
    try:
        box = parts.processes.box(spec, record, size, extra)
        if box.uid is not None:
            os.fchown(writer, box.uid, -1)  # else it could not open /dev/stdout
        argv = sandbox.run_user_command(record.command)
        child = sandbox.start(box, argv, stdout=writer, stderr=subprocess.STDOUT)
    except SandboxError as error:
        output.close()
        with parts.store.locked(spec.app_id) as slot:
            slot.save(slot.state.drop(record.id))
        raise RuntimeFailure(str(error)) from error
    finally:
        os.close(writer)
    with parts.store.locked(spec.app_id) as slot:
        slot.save(slot.state.put(replace(record, pid=child.pid)))
    running = ChildRun(parts, spec.app_id, record, child, output)
    if timeout is not None:
        running.stop_after(timeout)
    return running


def _status(program: Program | None) -> int | None:
    if program is None:
        return 1
    if program.exit is None or program.pid:
        return None
    return program.exit if program.exit >= 0 else 128 - program.exit
