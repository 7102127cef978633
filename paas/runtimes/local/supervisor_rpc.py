"""Runs inside the `apps` supervisord: programs that come and go one at a time.

supervisord re-reads all its files to add one program, signals bubblewrap
instead of the processes inside it, gives up after a few crashes, and lets a
process that floods its output keep the whole tree busy. This extension
replaces those four things and leaves the rest to supervisord.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import time
import weakref
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from supervisor.dispatchers import PDispatcher
from supervisor.loggers import LevelsByName, LogRecord, RotatingFileHandler
from supervisor.medusa import asyncore_25 as asyncore
from supervisor.options import ProcessConfig, ProcessGroupConfig
from supervisor.process import Subprocess
from supervisor.states import ProcessStates, SupervisorStates
from supervisor.xmlrpc import Faults, RPCError

from paas import sandbox
from paas.runtimes.local import launch
from paas.sandbox.probe import overlay_works
from paas.sandbox.processes import memory
from paas.sandbox.spec import SandboxError

GROUP = "apps"  # one group, because supervisord stops group after group

OUTPUT_RATE = 1_000_000
"""Bytes a second a process may print for good; what exceeds it waits in its pipe."""
OUTPUT_BURST = 4_000_000
RAW_LOG_BYTES = 5 * 1024 * 1024

WATCH_INTERVAL = 1.0
"""Seconds between two looks at a process whose limits are watched."""
_MIB = 1024 * 1024

LONGEST_PAUSE = 60.0
"""Seconds between two starts of a process that crashes again and again."""
STEADY_AFTER = 60.0
"""Seconds a process must be up for its earlier crashes to be forgotten."""


class OutputBudget:
    """A token bucket, in bytes."""

    def __init__(self) -> None:
        self._tokens = float(OUTPUT_BURST)
        self._filled = time.monotonic()

    def left(self) -> bool:
        now = time.monotonic()
        self._tokens = min(OUTPUT_BURST, self._tokens + (now - self._filled) * OUTPUT_RATE)
        self._filled = now
        return self._tokens > 0

    def spend(self, size: int) -> None:
        self._tokens -= size


class RawLog(RotatingFileHandler):  # type: ignore[misc]
    """A process's raw output file. A full disk costs the lines and nothing else."""

    def emit(self, record: LogRecord) -> None:
        try:
            if self.stream.closed:
                self.reopen()
            super().emit(record)
        except OSError:
            self.stream.close()

    def handleError(self) -> None:  # noqa: N802
        return


_raw_logs: weakref.WeakValueDictionary[str, RawLog] = weakref.WeakValueDictionary()


def raw_log(path: str) -> RawLog:
    """The open file of `path`, shared by an old and a new instance of one process."""
    log = _raw_logs.get(path)
    if log is None:
        log = _raw_logs[path] = RawLog(path, maxBytes=RAW_LOG_BYTES, backupCount=1)
    return log


class CappedOutput(PDispatcher):  # type: ignore[misc]
    """Copies a pipe to a raw log, no faster than the process's budget allows."""

    def __init__(self, process: AppProcess, fd: int) -> None:
        super().__init__(process, "stdout", fd)
        self._log = raw_log(process.config.stdout_logfile)
        self._budget = process.budget

    def readable(self) -> bool:
        return not self.closed and self._budget.left()

    def writable(self) -> bool:
        return False

    def handle_read_event(self) -> None:
        data = self.process.config.options.readfd(self.fd)
        if not data:
            self.close()
            return
        self._budget.spend(len(data))
        self._log.emit(LogRecord(LevelsByName.INFO, data))


@dataclass(frozen=True)
class Watched:
    """Limits to be watched where no control group enforces them; memory in bytes."""

    memory: int
    processes: int


class AppProcess(Subprocess):  # type: ignore[misc]
    """One sandboxed process: bubblewrap's pid, with all that runs inside it."""

    def __init__(self, config: AppConfig) -> None:
        super().__init__(config)
        self.budget = OutputBudget()
        self.restarts = 0
        self.exit_code: int | None = None
        self._crashes = 0
        self._parent = os.getpid()
        self._started = 0.0
        self._retry_at = 0.0
        self._kill_at = 0.0
        self._look_at = 0.0
        self.over_memory = False

    def get_execv_args(self) -> tuple[str, list[str]]:
        return self.config.command, []

    def _spawn_as_child(self, filename: str, argv: list[str]) -> None:
        try:
            os.setpgrp()
            self._prepare_child_fds()
            launch.become(Path(filename), self._parent)
        except (OSError, ValueError, SandboxError) as error:
            os.write(2, f"The process could not be started: {error}\n".encode())
        finally:
            os._exit(launch.NOT_STARTED)

    def _prepare_child_fds(self) -> None:
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(self.pipes["child_stdout"], 1)
        os.dup2(self.pipes["child_stdout"], 2)
        os.closerange(3, self.config.options.minfds)

    def spawn(self) -> int | None:
        self._started = time.monotonic()
        self.over_memory = False
        pid: int | None = super().spawn()
        if not pid:
            self._back_off()
        return pid

    def drain(self) -> None:
        for output in self.dispatchers.values():
            output.handle_read_event()

    def finish(self, pid: int, sts: int) -> None:
        self.exit_code = os.waitstatus_to_exitcode(sts)
        super().finish(pid, sts)
        self._back_off()

    def transition(self) -> None:
        now = time.monotonic()
        if self.state == ProcessStates.STARTING:
            self.change_state(ProcessStates.RUNNING)
        elif self.state == ProcessStates.STOPPING:
            if now >= self._kill_at:
                self._kill_at = now + 1
                sandbox.kill(self.pid)
        elif self._waits_for_restart() and now >= self._retry_at:
            self.restarts += 1
            self.spawn()
        elif self.pid and self.config.watched and now >= self._look_at:
            self._look_at = now + WATCH_INTERVAL
            self._watch_limits(self.config.watched)

    def stop(self) -> None:
        """SIGTERM to all processes inside; `transition` kills what is left in time."""
        self.administrative_stop = True
        if self.state == ProcessStates.BACKOFF:
            self.change_state(ProcessStates.STOPPED)
        if not self.pid or self.killing:
            return
        self._stopping(self.config.stopwaitsecs)
        if not sandbox.members(self.pid):  # not yet in its sandbox, or still waiting for its client
            os.kill(self.pid, signal.SIGTERM)
        sandbox.signal_all(self.pid, signal.SIGTERM)

    def kill(self, sig: int = signal.SIGKILL) -> None:
        """SIGKILL to all processes inside, at once."""
        self.administrative_stop = True
        if self.pid:
            self._stopping(0)
            sandbox.kill(self.pid)

    def give_up(self) -> None:
        self.stop()

    def facts(self) -> dict[str, object]:
        """What the runtime asks about a program; times are Unix times."""
        return {
            "pid": self.pid,
            "started": self.laststart,
            "ended": self.laststop,
            "exit": self.exit_code,
            "restarts": self.restarts,
            "over_memory": self.over_memory,
        }

    def _watch_limits(self, limits: Watched) -> None:
        self.over_memory = memory(self.pid) > limits.memory
        if self.over_memory or len(sandbox.members(self.pid)) > limits.processes:
            sandbox.kill(self.pid)

    def _stopping(self, seconds: float) -> None:
        self.killing = True
        self._kill_at = time.monotonic() + seconds
        self.change_state(ProcessStates.STOPPING)

    def _waits_for_restart(self) -> bool:
        return (
            self.state in (ProcessStates.EXITED, ProcessStates.BACKOFF)
            and bool(self.config.autorestart)
            and not self.administrative_stop
            and self.config.options.mood > SupervisorStates.RESTARTING
        )

    def _back_off(self) -> None:
        now = time.monotonic()
        if now - self._started >= STEADY_AFTER:
            self._crashes = 0
        self._retry_at = now + min(LONGEST_PAUSE, 2.0**self._crashes)
        self._crashes = min(self._crashes + 1, 10)


class AppConfig(ProcessConfig):  # type: ignore[misc]
    """A program whose `command` is nothing but the path of its JSON file."""

    def __init__(
        self,
        options: Any,
        name: str,
        spec: str,
        log: str,
        *,
        restart: bool,
        stop_seconds: float,
        watched: Watched | None,
    ) -> None:
        self.watched = watched
        params: dict[str, object] = dict.fromkeys(self.req_param_names)
        params |= {
            "name": name,
            "command": spec,
            "stdout_logfile": log,
            "autorestart": restart,
            "stopwaitsecs": stop_seconds,
            "redirect_stderr": True,
            "startsecs": 0,
            "startretries": 0,
            "exitcodes": (),
            "priority": 999,
            "umask": 0o022,
            "environment": {},
        }
        super().__init__(options, **params)

    def make_process(self, group: object = None) -> AppProcess:
        process = AppProcess(self)
        process.group = group
        return process

    def make_dispatchers(self, proc: AppProcess) -> tuple[dict[int, CappedOutput], Any]:
        pipes = self.options.make_pipes(stderr=False)
        fd = pipes["stdout"]
        return {fd: CappedOutput(proc, fd)}, pipes


class AppsInterface:
    """The calls of the XML-RPC namespace `paas`. Each may be repeated without harm."""

    def __init__(self, supervisord: Any) -> None:
        self._options = supervisord.options
        self._groups = bool(sandbox.probe().cgroup)
        supervisord.add_process_group(ProcessGroupConfig(self._options, GROUP, 999, []))
        self._group = supervisord.process_groups[GROUP]
        self._programs: dict[str, AppProcess] = self._group.processes

    def add(
        self,
        name: str,
        spec: str,
        log: str,
        restart: bool,
        stop_seconds: float,
        memory_mb: int,
        processes: int,
    ) -> int:
        """Start the program that the JSON file `spec` describes; its pid, 0 if it is gone."""
        if self._options.mood < SupervisorStates.RUNNING:
            raise RPCError(Faults.SHUTDOWN_STATE)
        if name not in self._programs:
            watched = None if self._groups else Watched(memory_mb * _MIB, processes)
            config = AppConfig(
                self._options,
                name,
                spec,
                log,
                restart=restart,
                stop_seconds=stop_seconds,
                watched=watched,
            )
            self._programs[name] = process = config.make_process(self._group)
            process.spawn()
        return int(self._programs[name].pid or 0)

    def stop(self, name: str) -> bool:
        """Begin to stop a program: SIGTERM now, SIGKILL after its `stop_seconds`."""
        return self._stop(name, AppProcess.stop)

    def kill(self, name: str) -> bool:
        """Stop a program with SIGKILL."""
        return self._stop(name, AppProcess.kill)

    def remove(self, name: str) -> bool:
        """Forget a program that has stopped; False while it has not."""
        process = self._programs.get(name)
        if process is not None:
            if process.pid:
                return False
            del self._programs[name]
        return True

    def status(self, prefixes: list[str]) -> str:
        """JSON: name → `AppProcess.facts()` of all programs, or those with one of `prefixes`."""
        wanted = tuple(prefixes) or ""
        chosen = {n: p.facts() for n, p in self._programs.items() if n.startswith(wanted)}
        return json.dumps(chosen)

    def _stop(self, name: str, how: Any) -> bool:
        process = self._programs.get(name)
        if process is not None:
            how(process)
        return process is not None


class ChildWatch:
    """Wakes supervisord's loop at a signal: it polls for a second, and PEP 475 resumes that."""

    closed = False

    def __init__(self) -> None:
        self._reader, self._writer = socket.socketpair()
        self._reader.setblocking(False)
        self._writer.setblocking(False)
        signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        asyncore.socket_map[self._reader.fileno()] = self

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return False

    def handle_read_event(self) -> None:
        self._reader.recv(4096)

    def handle_error(self) -> None:
        return


def make_interface(supervisord: Any, scratch: str) -> AppsInterface:
    """The factory that `[rpcinterface:paas]` names.

    Args:
        scratch: the folder on whose disk processes will write.
    """
    if sandbox.probe().works:  # remembered: the children need not find it out again and again
        overlay_works(Path(scratch))
    ChildWatch()
    return AppsInterface(supervisord)
