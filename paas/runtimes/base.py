"""The contract between the panel and the place where apps run.

`formation` describes an app's whole desired state as an `AppSpec` and a
runtime makes it true. A runtime knows no Django, no database and no policy.
Everything here is immutable, so that a spec can be compared, hashed and kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Protocol

BOOT_TIMEOUT = 60.0
"""Seconds a web process has to accept on $PORT (Heroku: R10)."""
STOP_TIMEOUT = 30.0
"""Seconds between SIGTERM and SIGKILL (Heroku: R12)."""
ATTACH_TIMEOUT = 60.0
"""Seconds an attached one-off waits for its client."""


# --- errors ---------------------------------------------------------------
class RuntimeFailure(Exception):
    """Anything a runtime could not do; the text is fit for the user."""


class StaleToken(RuntimeFailure):
    """Somebody with a newer lease has spoken: the caller must stop at once."""


class NotHealthy(RuntimeFailure):
    """A new process did not become healthy, so the old ones go on.

    Args:
        process: the one at fault, as "web.1".
        reason: what happened, in plain words, without a full stop.
        hint: what the user should do next.
        output: the last lines it printed, oldest first.
    """

    def __init__(
        self, process: str, reason: str, *, hint: str = "", output: tuple[str, ...] = ()
    ) -> None:
        super().__init__(f"{process} {reason}")
        self.process, self.reason, self.hint, self.output = process, reason, hint, output


class LimitExceeded(RuntimeFailure):
    """The spec asks for more than this runtime has (local: more than 12 web processes)."""


# --- the desired state ----------------------------------------------------
@dataclass(frozen=True)
class Size:
    """What one process may use."""

    name: str = "standard"
    memory_mb: int = 512
    cpu_shares: int = 1024  # relative weight, Docker's and cgroup v1's scale
    processes: int = 256


@dataclass(frozen=True)
class Check:
    """A health check, times in seconds; field names are app.json's."""

    type: str = "startup"
    path: str | None = None
    command: tuple[str, ...] | None = None
    listening: bool = False
    uptime: float | None = None
    content: str | None = None
    attempts: int = 3
    wait: float = 5.0
    timeout: float = 5.0
    initial_delay: float = 0.0


@dataclass(frozen=True)
class Mount:
    """A folder of the machine, shown read-only to the process at `target`."""

    source: str
    target: str


@dataclass(frozen=True)
class Artifact:
    """An immutable build result.

    `kind` "host": `path` is the folder that becomes `/app` (each process gets
    its own ephemeral writable copy over it), `mounts` are shared dependencies
    and toolchains, `path_entries` go in front of PATH.

    `kind` "nix": `path` is a store path, the *release root*, whose closure is all
    that the app needs: `app` is a link to the tree that becomes `/app`, `root/`
    holds what stands at `/` (`bin/sh`, `etc/ssl`, …), `environment.json` the
    variables under the app's own ones, PATH among them. `image` names an image
    of it that a cluster's nodes can pull.
    """

    kind: str
    path: str
    digest: str
    mounts: tuple[Mount, ...] = ()
    path_entries: tuple[str, ...] = ()
    image: str = ""


@dataclass(frozen=True)
class Autoscale:
    """How many processes of a type run: from `minimum` to `maximum`, by the load.

    `cpu` is in percent of what a process of its size asks for: above it more
    are started, below it fewer are kept.
    """

    minimum: int
    maximum: int
    cpu: int


@dataclass(frozen=True)
class ProcessSpec:
    """One process type and how much of it should run.

    `restarts` counts the restarts asked for: {"": 2} for the whole type,
    {"3": 1} for its third process. A changed count makes a new instance.
    With `autoscale`, `quantity` only says whether any run at all.
    """

    type: str
    command: str
    quantity: int
    size: Size = field(default_factory=Size)
    checks: tuple[Check, ...] = ()
    restarts: Mapping[str, int] = field(default_factory=dict)
    autoscale: Autoscale | None = None

    @property
    def routed(self) -> bool:
        """Only `web` gets $PORT and traffic (Heroku)."""
        return self.type == "web"


@dataclass(frozen=True)
class AppSpec:
    """An app's whole desired state; what is not in it is pruned.

    `app_number` is unique per app and never re-used: runtimes that need a
    uid derive it from this. `environment` is what every process gets (config
    vars and the plan's variables); the runtime adds PORT, DYNO, HOME, PATH.
    `hosts` and `maintenance` hold unless `route` was told newer ones meanwhile:
    `routing` grows with each change of the two.
    """

    app_id: str
    app_number: int
    name: str
    release: int
    artifact: Artifact
    environment: Mapping[str, str]
    processes: tuple[ProcessSpec, ...]
    hosts: tuple[str, ...]
    maintenance: bool = False
    routing: int = 0


# --- what apply tells -----------------------------------------------------
@dataclass(frozen=True)
class Progress:
    """Something worth a line in the push output ("web.1 is up")."""

    text: str


@dataclass(frozen=True)
class Ready:
    """The new processes are healthy. Resume to move traffic, close to discard them."""


@dataclass(frozen=True)
class Switched:
    """Traffic is on the new processes; the old ones drain, owned by `tend`."""


@dataclass(frozen=True)
class Waiting:
    """Nothing new yet: comes at least twice a second, so that the caller can close in time."""


Event = Progress | Waiting | Ready | Switched


# --- what is --------------------------------------------------------------
class ProcessState(StrEnum):
    """Heroku's dyno states, and `stopping` for one that drains."""

    STARTING = "starting"
    UP = "up"
    CRASHED = "crashed"
    STOPPING = "stopping"
    DOWN = "down"


@dataclass(frozen=True)
class ProcessStatus:
    """One process as it is. `name` is "web.1", "worker.2" or "run.1234"."""

    app_id: str
    name: str
    type: str
    state: ProcessState
    since: datetime
    release: int
    command: str
    size: str = "standard"
    pid: int | None = None
    restarts: int = 0
    reason: str = ""


@dataclass(frozen=True)
class Usage:
    """What one process uses now: memory in bytes.

    `cpu` is in seconds since it started, `cores` what it uses of them at this
    moment; a runtime knows one of the two.
    """

    name: str
    memory: int
    cpu: float | None = None
    cores: float | None = None


@dataclass(frozen=True)
class LogSource:
    """A raw log file that the observer tails; lines of it are `app[<process>]`."""

    app_id: str
    process: str
    path: Path


@dataclass(frozen=True)
class RouteTable:
    """Who answers: host name → app id, and local port → process name."""

    hosts: Mapping[str, str]
    ports: Mapping[int, str]


@dataclass(frozen=True)
class Certificate:
    """What is known of a host's certificate: `expires` if there is one, `problem` if not.

    `pending`: it is being made, and `problem` says how far that is.
    """

    expires: datetime | None = None
    problem: str = ""
    pending: bool = False


class OneOff(Protocol):
    """A process of `run`: the release phase, postdeploy, `paas run:detached`."""

    name: str

    def lines(self) -> Iterator[str]:
        """What it prints, line by line without line ends, until it ends."""
        ...

    def wait(self, timeout: float | None = None) -> int | None:
        """Its exit status (128+n for signal n); None if it still runs after `timeout` seconds."""
        ...

    def stop(self) -> None:
        """SIGTERM, 30 s, SIGKILL to all its processes; harmless when it has ended."""
        ...


@dataclass(frozen=True)
class Terminal:
    """The size of somebody's terminal, in characters."""

    columns: int = 80
    lines: int = 24


class Attachment(Protocol):
    """The far ends of an attached one-off's streams, as descriptors that do not block.

    With a terminal, `stdin` and `stdout` are its two directions and `stderr`
    is None. Reading a terminal whose processes are gone fails with EIO.
    """

    stdin: int
    stdout: int
    stderr: int | None

    def resize(self, terminal: Terminal) -> None:
        """Its processes get SIGWINCH; harmless without a terminal."""
        ...

    def close_stdin(self) -> None:
        """The end of its standard input; a terminal has none: there it is the character Ctrl-D."""
        ...

    def wait(self, timeout: float | None = None) -> int | None:
        """As `OneOff.wait`."""
        ...

    def close(self) -> None:
        """Hang up: whatever still runs of it is ended, and the descriptors are closed."""
        ...


class Runtime(Protocol):
    """Where apps run. Every method may be called again after a crash half-way."""

    def apply(self, spec: AppSpec, token: int) -> Iterator[Event]:
        """Make `spec` true.

        Yields `Progress` lines and, while it waits, `Waiting`, then `Ready` once
        when all new processes are healthy. Resumed, it moves the routes and
        yields `Switched`; closed at
        `Ready` or before, it discards the new processes and the old ones go
        on untouched. Applying the same spec twice changes nothing (and still
        yields Ready and Switched). One-offs and draining processes are left
        alone.

        Args:
            token: the caller's lease; tokens of an app only grow.

        Raises:
            StaleToken: a higher token has been seen for this app.
            NotHealthy: a new process failed; it has been discarded.
            LimitExceeded: the spec asks for too much.
        """
        ...

    def route(
        self, app_id: str, hosts: tuple[str, ...], *, maintenance: bool, routing: int
    ) -> None:
        """Lead these hosts, and no others, to what serves the app now; takes effect at once.

        It needs no token, so it does not wait for an `apply` that is going on;
        of two calls the one with the higher `routing` holds, whichever comes
        last. An app that nothing was applied of has no routes yet: nothing is done.
        """
        ...

    def tend(self) -> bool:
        """Move drains and clean-ups one step on, without blocking; True while any is left."""
        ...

    def observe(self, *app_ids: str) -> list[ProcessStatus]:
        """The processes of these apps, or, if none is named, of all."""
        ...

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
    ) -> OneOff:
        """Start `command` by `sh -c` as a one-off `name` ("run.1234") of `spec`.

        Not detached, it dies with the caller; detached, it
        outlives it, its output goes to the app's log, and `timeout` seconds
        later it is stopped.

        Raises:
            LimitExceeded: the app has as many detached and attached ones of that type as it may.
        """
        ...

    def find_one_off(self, app_id: str, name: str) -> OneOff | None:
        """A detached one-off that runs or has just ended; None when nothing is known of it.

        Its `lines` are not told again.
        """
        ...

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
        """Start a one-off that begins when somebody attaches, and gives up after `ATTACH_TIMEOUT`.

        It lives as long as that attachment, whose owner may be another process
        than the caller, and `timeout` seconds at most.

        Raises:
            LimitExceeded: as for `run`.
        """
        ...

    def attach(self, app_id: str, name: str, terminal: Terminal | None) -> Attachment:
        """Let the one-off `name` of `run_attached` begin, on a terminal or on pipes; only once.

        Raises:
            RuntimeFailure: it is gone, has been attached before, or could not be started.
        """
        ...

    def stop(self, app_id: str, name: str) -> bool:
        """Begin to stop a detached or attached one-off; False if there is none of that name."""
        ...

    def remove(self, app_id: str, token: int) -> None:
        """Stop and delete everything of an app; harmless when nothing is there."""
        ...

    def apps(self) -> list[str]:
        """Ids of all apps this runtime holds anything of."""
        ...

    def log_sources(self) -> list[LogSource]: ...

    def routes(self) -> RouteTable: ...

    def certificate(self, host: str) -> Certificate:
        """Ask for the certificate of a routed host that has none; may take half a minute."""
        ...

    def metrics(self, app_id: str) -> list[Usage]:
        """What an app's processes use.

        Raises:
            RuntimeFailure: nobody measures it here; the text says what is missing.
        """
        ...

    def max_quantity(self, process_type: str) -> int | None:
        """The most processes of a type that can run here; None without a bound."""
        ...

    autoscales: bool
    """Whether `ProcessSpec.autoscale` means anything here."""

    def drift(self, specs: Iterable[AppSpec]) -> Mapping[str, str]:
        """Which apps are not as their specs say: app id → what is wrong, "" if nobody looked.

        Whatever is not in it needs no `apply`.
        """
        ...

    def preview(self, spec: AppSpec) -> list[str]:
        """What `apply` would change, in words, without changing it; no values of the environment.

        Raises:
            RuntimeFailure: this runtime cannot tell before it does it.
        """
        ...

    def scaled_by(self, app_id: str, process_type: str) -> str:
        """Who but the panel decides how many processes of a type run; "" if nobody does."""
        ...
