"""The `apps` supervisord from outside: its configuration and its calls."""

from __future__ import annotations

import http.client
import json
import os
import resource
import socket
import xmlrpc.client
from dataclasses import dataclass
from pathlib import Path

from paas.instance import Instance, make_private
from paas.runtimes.base import RuntimeFailure, Size

_OPEN_FILES = 4096  # three per process, and 500 processes are plenty for one machine
_CALL_TIMEOUT = 15.0

_CONFIG = """\
[supervisord]
nodaemon = true
silent = true
umask = 077
logfile = {log}
logfile_maxbytes = 5MB
logfile_backups = 1
pidfile = {pid}
directory = {home}
childlogdir = {home}
nocleanup = true
identifier = paas-apps
minfds = {files}
minprocs = 1

[unix_http_server]
file = {socket}
chmod = 0600

[rpcinterface:paas]
supervisor.rpcinterface_factory = paas.runtimes.local.supervisor_rpc:make_interface
scratch = {scratch}
"""


class SupervisorDown(RuntimeFailure):
    """Nobody answers on the socket of the apps' supervisord."""

    def __init__(self) -> None:
        super().__init__(
            "The process supervisor does not answer. It comes back by itself; try again shortly."
        )


@dataclass(frozen=True)
class Program:
    """One program as supervisord knows it; times are Unix times, `pid` 0 means not running.

    `exit` is the last exit status (negative: killed by that signal), None
    before the first end; `over_memory` says that it was killed for its memory
    where no control group does that.
    """

    pid: int
    started: float
    ended: float
    exit: int | None
    restarts: int
    over_memory: bool


@dataclass(frozen=True)
class Order:
    """A program to start: `spec` is the JSON file of `launch`, `log` its raw output."""

    spec: Path
    log: Path
    restart: bool
    stop_seconds: float
    size: Size


def scratch_folder(instance: Instance) -> Path:
    """Where processes write: on disk, because `run` is memory."""
    return instance.local_state / "scratch"


def write_supervisor_config(instance: Instance) -> Path:
    """Write the static configuration of the `apps` supervisord; run it with `supervisord -c`."""
    make_private(instance.home)
    run = make_private(instance.run)
    log = instance.logs / "panel" / "apps-supervisor.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    known = hard != resource.RLIM_INFINITY and os.geteuid() != 0
    values = {
        "log": log,
        "pid": run / "apps-supervisor.pid",
        "home": instance.home,
        "files": min(hard, _OPEN_FILES) if known else _OPEN_FILES,
        "scratch": make_private(scratch_folder(instance)),
        "socket": instance.apps_supervisor_socket,
    }
    text = _CONFIG.format_map({k: str(v).replace("%", "%%") for k, v in values.items()})
    path = run / "apps-supervisor.conf"
    path.write_text(text)
    return path


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=_CALL_TIMEOUT)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(_CALL_TIMEOUT)
        self.sock.connect(str(self._path))


class _UnixTransport(xmlrpc.client.Transport):
    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    def make_connection(self, host: object) -> http.client.HTTPConnection:
        return _UnixConnection(self._path)


class Supervisor:
    """Calls to the extension `supervisor_rpc`; see there. Safe to share between threads.

    Every method raises `SupervisorDown` when nobody answers.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def add(self, name: str, order: Order) -> int:
        """Start a program and return its pid, 0 if it has ended already."""
        limits = (order.size.memory_mb, order.size.processes)
        times = (order.restart, float(order.stop_seconds))
        return int(self._call("add", name, str(order.spec), str(order.log), *times, *limits))

    def stop(self, name: str) -> None:
        self._call("stop", name)

    def kill(self, name: str) -> None:
        self._call("kill", name)

    def remove(self, name: str) -> bool:
        return bool(self._call("remove", name))

    def programs(self, *prefixes: str) -> dict[str, Program]:
        """All programs, or those whose names begin with one of `prefixes`, in one call."""
        facts = json.loads(self._call("status", prefixes))
        return {name: Program(**fields) for name, fields in facts.items()}

    def _call(self, method: str, *arguments: object) -> str:
        proxy = xmlrpc.client.ServerProxy(
            "http://localhost", transport=_UnixTransport(self._path), allow_none=True
        )
        try:
            with proxy:
                return getattr(proxy.paas, method)(*arguments)  # type: ignore[no-any-return]
        except (OSError, http.client.HTTPException, xmlrpc.client.Error) as error:
            raise SupervisorDown from error
