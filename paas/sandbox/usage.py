"""What a sandbox uses, asked by its name from any process of the panel."""

from __future__ import annotations

from dataclasses import dataclass

from paas.sandbox import cgroups, processes


@dataclass(frozen=True)
class Use:
    """Memory in bytes, processor time in seconds."""

    memory: int
    cpu: float


def usage(name: str, pid: int | None = None) -> Use | None:
    """What the sandbox `name` uses; None when it is not there.

    Args:
        pid: its outer bubblewrap, for machines without control groups; there
            the processor time of ended processes is not counted.
    """
    group = cgroups.find(name)
    if group is not None:
        return Use(group.memory(), group.cpu())
    if pid is None or not processes.members(pid):
        return None
    return Use(processes.memory(pid), processes.cpu(pid))


def oom_killed(name: str) -> bool:
    """Whether the kernel ended a process of sandbox `name` for its memory; until `forget`."""
    group = cgroups.find(name)
    return group is not None and group.oom_kills() > 0


def forget(name: str) -> None:
    """Remove the control group of an ended sandbox that a launcher ran.

    `start` does so itself. Processes still inside are killed.
    """
    group = cgroups.find(name)
    if group is not None:
        group.remove()
