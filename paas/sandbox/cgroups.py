"""Control groups: hard limits on memory, processes and processor time of a sandbox.

Version 2 where a part of the tree is ours (root, or the user's own manager's
delegation), else version 1 as root. Where neither can be had, `create`
returns None and the caller falls back on rlimits and a watchdog.
"""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from paas.sandbox.spec import Limits

_PARENT = "paas"
_MIB = 1024 * 1024
_FORGOTTEN_AFTER = 3600.0  # seconds; nobody asks for an ended sandbox's end later than that
_REMOVE_PATIENCE = 2.0  # seconds that dying processes may take to leave


@dataclass(frozen=True)
class Hierarchy:
    """Where groups are made: controller → folder; version 2 has one folder for all."""

    version: int
    folders: dict[str, Path]


@dataclass(frozen=True)
class Group:
    """One sandbox's group: its folder in every controller."""

    version: int
    folders: dict[str, Path]

    def add(self, pid: int) -> None:
        """Move process `pid` (0: the caller) and its future children in."""
        for folder in set(self.folders.values()):
            _write(folder / "cgroup.procs", pid)

    def oom_kills(self) -> int:
        """How many processes the kernel ended because the memory limit was met."""
        name = "memory.events" if self.version == 2 else "memory.oom_control"
        return _field(self.folders["memory"] / name, "oom_kill")

    def refused_forks(self) -> int:
        """How often a process could not be made because the limit of processes was met."""
        return _field(self.folders["pids"] / "pids.events", "max")

    def memory(self) -> int:
        """Bytes in use, without file pages the kernel would drop first (as `docker stats`)."""
        folder = self.folders["memory"]
        if self.version == 2:
            used, spare = "memory.current", "inactive_file"
        else:
            used, spare = "memory.usage_in_bytes", "total_inactive_file"
        return max(0, _number(folder / used) - _field(folder / "memory.stat", spare))

    def cpu(self) -> float:
        """Seconds of processor time since the group was made."""
        if self.version == 2:
            return _field(self.folders["cpu"] / "cpu.stat", "usage_usec") / 1e6
        if "cpuacct" in self.folders:
            return _number(self.folders["cpuacct"] / "cpuacct.usage") / 1e9
        return 0.0

    def remove(self) -> None:
        """End whoever is left inside and remove the group; harmless when it is gone."""
        deadline = time.monotonic() + _REMOVE_PATIENCE
        for folder in set(self.folders.values()):
            while not _removed(folder) and time.monotonic() < deadline:
                _kill_all(folder)
                time.sleep(0.01)


def create(name: str, limits: Limits) -> Group | None:
    """A fresh group with `limits`, or None where groups cannot be had."""
    place = hierarchy()
    if place is None:
        return None
    group = Group(place.version, {key: folder / name for key, folder in place.folders.items()})
    group.remove()
    try:
        for folder in set(group.folders.values()):
            folder.mkdir()
        _limit(group, limits)
    except OSError:
        group.remove()
        return None
    return group


def find(name: str) -> Group | None:
    """The group that `create` made, perhaps in another process."""
    place = hierarchy()
    if place is None or not (place.folders["memory"] / name).is_dir():
        return None
    return Group(place.version, {key: folder / name for key, folder in place.folders.items()})


@functools.lru_cache(maxsize=1)
def hierarchy() -> Hierarchy | None:
    """Where groups can be made on this machine; made ready on the first call."""
    for found in (_version_2(), _version_1()):
        if found is not None and _usable(found):
            _sweep(found)
            return found
    return None


def _version_2() -> Hierarchy | None:
    root = next(iter(_mounts("cgroup2")), None)
    if root is None:
        return None
    if os.geteuid() != 0:  # systemd delegates this part of the tree to its user
        uid = os.geteuid()
        root = root / f"user.slice/user-{uid}.slice/user@{uid}.service"
    parent = root / _PARENT
    with contextlib.suppress(OSError):
        available = (root / "cgroup.controllers").read_text().split()
        if {"memory", "pids", "cpu"} <= set(available):
            parent.mkdir(exist_ok=True)
            for folder in (root, parent):
                _write(folder / "cgroup.subtree_control", "+memory +pids +cpu")
            return Hierarchy(2, dict.fromkeys(("memory", "pids", "cpu"), parent))
    return None


def _version_1() -> Hierarchy | None:
    mounted = _mounts("cgroup")
    folders: dict[str, Path] = {
        controller: path / _PARENT
        for path, options in mounted.items()
        for controller in ("memory", "pids", "cpu", "cpuacct")
        if controller in options
    }
    if not {"memory", "pids"} <= set(folders):
        return None
    with contextlib.suppress(OSError):
        for folder in set(folders.values()):
            folder.mkdir(exist_ok=True)
        return Hierarchy(1, folders)
    return None


def _sweep(place: Hierarchy) -> None:
    """Remove old empty groups, whose owner was killed: only empty ones can be removed."""
    oldest = time.time() - _FORGOTTEN_AFTER
    for parent in set(place.folders.values()):
        for folder in parent.iterdir():
            with contextlib.suppress(OSError):
                if folder.is_dir() and folder.stat().st_mtime < oldest:
                    folder.rmdir()


def _usable(place: Hierarchy) -> bool:
    """Whether a process of ours can really be put into a group there."""
    names = {key: folder / f"probe-{os.getpid()}" for key, folder in place.folders.items()}
    group = Group(place.version, names)
    child = 0
    try:
        for folder in set(names.values()):
            folder.mkdir(exist_ok=True)
        child = os.posix_spawn("/bin/sleep", ["sleep", "5"], {})
        group.add(child)
    except OSError:
        return False
    finally:
        if child:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
        group.remove()
    return True


def _limit(group: Group, limits: Limits) -> None:
    memory, pids = group.folders["memory"], group.folders["pids"]
    if limits.memory_mb is not None:
        size = limits.memory_mb * _MIB
        if group.version == 2:
            _write(memory / "memory.max", size)
            _write_if_there(memory / "memory.swap.max", 0)
        else:
            _write(memory / "memory.limit_in_bytes", size)
            _write_if_there(memory / "memory.memsw.limit_in_bytes", size)
    if limits.processes is not None:
        _write(pids / "pids.max", limits.processes)
    if "cpu" in group.folders:
        _share(group, limits.cpu_shares)


def _share(group: Group, shares: int) -> None:
    if group.version == 1:
        _write(group.folders["cpu"] / "cpu.shares", shares)
        return
    # The kernel's own mapping of version 1's 2..262144 on version 2's 1..10000.
    weight = 1 + (max(shares, 2) - 2) * 9999 // 262142
    _write(group.folders["cpu"] / "cpu.weight", weight)


def _mounts(kind: str) -> dict[Path, list[str]]:
    """Mount points of `kind` and their options."""
    found = {}
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/mounts").read_text().splitlines():
            _, where, fstype, options = line.split()[:4]
            if fstype == kind:
                found[Path(where)] = options.split(",")
    return found


def _kill_all(folder: Path) -> None:
    with contextlib.suppress(OSError):
        for pid in (folder / "cgroup.procs").read_text().split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)


def _removed(folder: Path) -> bool:
    try:
        folder.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def _write(path: Path, value: int | str) -> None:
    path.write_text(str(value))


def _write_if_there(path: Path, value: int) -> None:
    """Swap limits exist only where the kernel accounts swap."""
    if path.exists():
        _write(path, value)


def _number(path: Path) -> int:
    with contextlib.suppress(OSError, ValueError):
        return int(path.read_text())
    return 0


def _field(path: Path, name: str) -> int:
    with contextlib.suppress(OSError):
        for line in path.read_text().splitlines():
            key, _, value = line.partition(" ")
            if key == name:
                return int(value)
    return 0
