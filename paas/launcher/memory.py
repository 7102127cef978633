"""What each part of a running instance takes: PSS, the share of memory that is really its own."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from paas.instance import Instance
from paas.launcher import leftovers
from paas.launcher.lock import holder_of

_PROC = Path("/proc")


def measure(instance: Instance) -> list[tuple[str, int]]:
    """Part → bytes of PSS (pages shared by n processes count 1/n), the largest first.

    A process counts for the nearest part above it; what runs below the apps'
    supervisord is "apps". Empty when the instance does not run.

    Raises:
        PermissionError: the processes belong to another user.
    """
    parts = _parts(instance)
    parents = _parents()
    used: Counter[str] = Counter()
    for pid in parents:
        if name := _owner(pid, parents, parts):
            used[name] += _pss(pid)
    return used.most_common()


def _parts(instance: Instance) -> dict[int, str]:
    """Process → name of the part it is the root of."""
    trees = leftovers.running(instance.run, leftovers.TREES)
    parts = leftovers.running(instance.run, leftovers.PANEL)
    named = {pid: name for name, pid in parts.items()}
    named |= {pid: f"supervisord ({name})" for name, pid in trees.items()}
    launcher = holder_of(instance)
    return named | ({launcher: "launcher"} if launcher else {})


def _owner(pid: int, parents: dict[int, int], parts: dict[int, str]) -> str | None:
    below = pid
    while pid not in parts:
        if pid not in parents:
            return None
        below, pid = pid, parents[pid]
    if parts[pid] == "supervisord (apps)" and below != pid:
        return "apps"
    return None if parts[pid] == "launcher" and below != pid else parts[pid]


def _parents() -> dict[int, int]:
    found = {}
    for folder in _PROC.glob("[0-9]*"):
        try:
            stat = (folder / "stat").read_text()
        except OSError:
            continue  # it has ended
        found[int(folder.name)] = int(stat.rpartition(")")[2].split()[1])  # after the name: proc(5)
    return found


def _pss(pid: int) -> int:
    try:
        lines = (_PROC / str(pid) / "smaps_rollup").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0  # it has ended
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
