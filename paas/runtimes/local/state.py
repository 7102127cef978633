"""What the local runtime remembers of each app: `<home>/local/apps/<app id>/state.json`.

It holds no secrets and is written whole or not at all. Whoever changes it
holds the app's lock, for as short as that takes. Something that exists
outside (a program, a port, a scratch folder) is recorded here before it is
made and forgotten after it is gone, so that what no record knows is litter.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import TextIO

from paas.instance import Instance
from paas.runtimes.base import StaleToken

_LOCK = "lock"

_Stamp = tuple[int, int, int] | None


class Phase(StrEnum):
    """Where a process is in its life."""

    STARTING = "starting"  # belongs to an apply that is going on
    LIVE = "live"
    DRAINING = "draining"  # out of the routes, finishes its requests
    STOPPING = "stopping"  # told to stop, or to be told
    ONE_OFF = "one-off"  # of `run`, detached
    CHILD = "attached"  # of `run`, a child of `owner`
    AWAITING = "awaiting"  # of `run_attached`, until its client is there
    SESSION = "session"  # of `run_attached`; its streams are `owner`'s


@dataclass(frozen=True)
class Record:
    """One process.

    Args:
        id: unique for ever; part of the names of all it owns.
        name: "web.1", "worker.2", "run.1234".
        fingerprint: of all that makes it what it is; the same one means: keep it.
        owner: whoever starts it, has it for a child, or holds its streams (see `owner()`).
        since: Unix time at which it entered its phase.
        deadline: Unix time at which its phase ends by force; 0 is never.
        pid: of a child, else 0.
    """

    id: str
    name: str
    phase: Phase
    release: int
    fingerprint: str
    command: str
    size: str
    port: int | None = None
    owner: str = ""
    since: float = 0.0
    deadline: float = 0.0
    pid: int = 0

    @property
    def type(self) -> str:
        return self.name.rpartition(".")[0]

    def program(self, app_id: str) -> str:
        """Its name in supervisord, as a cgroup and as a folder."""
        return f"{app_id}.{self.name}.{self.id}"

    def enter(self, phase: Phase, *, seconds: float = 0.0) -> Record:
        """The same process in `phase`, which ends by force in `seconds`, if that is not 0."""
        now = time.time()
        return replace(
            self, phase=phase, since=now, deadline=now + seconds if seconds else 0.0, owner=""
        )


@dataclass(frozen=True)
class AppState:
    """One app. `release` 0 means that nothing has been applied yet."""

    app_id: str
    token: int = 0
    release: int = 0
    hosts: tuple[str, ...] = ()
    maintenance: bool = False
    routing: int = 0
    removed: bool = False
    records: tuple[Record, ...] = ()

    def among(self, *phases: Phase) -> tuple[Record, ...]:
        return tuple(r for r in self.records if r.phase in phases)

    @property
    def web_ports(self) -> tuple[int, ...]:
        """Where the routes should lead."""
        return tuple(r.port for r in self.among(Phase.LIVE) if r.port is not None)

    def put(self, *changed: Record) -> AppState:
        """With these records added, or in the place of those with the same id."""
        known = {r.id: r for r in self.records} | {r.id: r for r in changed}
        return replace(self, records=tuple(known.values()))

    def drop(self, *ids: str) -> AppState:
        return replace(self, records=tuple(r for r in self.records if r.id not in ids))

    def routed(self, hosts: tuple[str, ...], *, maintenance: bool, routing: int) -> AppState:
        """With these hosts and this mode, unless newer ones are known already."""
        if routing < self.routing:
            return self
        return replace(self, hosts=hosts, maintenance=maintenance, routing=routing)

    def check(self, token: int) -> None:
        """
        Raises:
            StaleToken: somebody with a higher token has been here, or removed the app.
        """
        if token < self.token or (self.removed and token <= self.token):
            raise StaleToken(f"a newer change of this app has begun (token {self.token})")


class Slot:
    """One app's state while its lock is held."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.state = _load(folder)

    def save(self, state: AppState) -> AppState:
        """Write `state`, whole or not at all."""
        if state != self.state:
            _write(self._folder / "state.json", json.dumps(asdict(state)))
            self.state = state
        return state

    def forget(self) -> None:
        """Delete the state and the lock with it; the app is gone."""
        for name in ("state.json", "state.json.part", _LOCK):
            (self._folder / name).unlink(missing_ok=True)
        self._folder.rmdir()
        self.state = AppState(self._folder.name)


class StateStore:
    """All apps' states of one instance."""

    def __init__(self, instance: Instance) -> None:
        self.root = instance.local_state / "apps"
        self._known: dict[str, tuple[_Stamp, AppState]] = {}

    def folder(self, app_id: str) -> Path:
        return self.root / app_id

    def app_ids(self) -> list[str]:
        return sorted(path.parent.name for path in self.root.glob("*/state.json"))

    def all(self) -> list[AppState]:
        """Every app's state as it is now."""
        return [self.read(app_id) for app_id in self.app_ids()]

    def read(self, app_id: str) -> AppState:
        """The state as it is now; without the lock, to look only.

        What has not been written since the last time is not read again: whoever
        looks at a thousand apps looks at them often.
        """
        folder = self.folder(app_id)
        stamp = _stamp(folder)
        before, state = self._known.get(app_id, (None, AppState(app_id)))
        if stamp != before:
            state = _load(folder)
            self._known[app_id] = stamp, state
        return state

    @contextmanager
    def locked(self, app_id: str) -> Iterator[Slot]:
        """The app's state, with all others kept out until the end of the block."""
        folder = self.folder(app_id)
        with _locked_file(folder):
            yield Slot(folder)


def _locked_file(folder: Path) -> TextIO:
    """`folder`'s lock file, locked; whoever had it before may have deleted it with the folder."""
    path = folder / _LOCK
    while True:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with suppress(FileNotFoundError):
            lock = path.open("w")
            fcntl.flock(lock, fcntl.LOCK_EX)
            if path.stat().st_ino == os.fstat(lock.fileno()).st_ino:
                return lock
            lock.close()


def owner() -> str:
    """This process, by pid and start time, so that a re-used pid is not taken for it."""
    return f"{os.getpid()}:{_started(os.getpid())}"


def is_alive(who: str) -> bool:
    """Whether the process that `owner()` named still runs."""
    pid, _, started = who.partition(":")
    return bool(started) and _started(int(pid)) == started


def _started(pid: int) -> str:
    """Field 22 of `/proc/<pid>/stat`: start time in clock ticks since the boot; "" if gone."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""
    return text.rpartition(")")[2].split()[19]


def _stamp(folder: Path) -> _Stamp:
    """Of the state's file, which is a new one each time; None if there is none."""
    try:
        found = (folder / "state.json").stat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


def _load(folder: Path) -> AppState:
    try:
        data = json.loads((folder / "state.json").read_bytes())
    except FileNotFoundError:
        return AppState(folder.name)
    records = tuple(Record(**r | {"phase": Phase(r["phase"])}) for r in data["records"])
    return AppState(**data | {"records": records, "hosts": tuple(data["hosts"])})


def _write(path: Path, text: str) -> None:
    part = path.with_name(path.name + ".part")
    with part.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    part.rename(path)
