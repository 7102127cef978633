"""The processes inside a running sandbox, seen and signalled from outside.

bubblewrap forwards no signals. Everything inside descends from its child, the
first process of the PID namespace, because whoever daemonises becomes that
one's child; when it dies, the kernel ends all the others.
"""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path

_PAGE = os.sysconf("SC_PAGE_SIZE")
_TICKS = os.sysconf("SC_CLK_TCK")


def members(pid: int) -> list[int]:
    """The pids (as seen here) of all processes inside the sandbox.

    Args:
        pid: the outer bubblewrap, as `start` or a supervisor sees it.

    Returns:
        parents before their children, without the namespace's first process,
        which is bubblewrap's; empty when the sandbox has ended.
    """
    return [inner for first in children(pid) for inner in _descendants(first)]


def signal_all(pid: int, number: signal.Signals) -> None:
    """Send `number` to every process inside, as Heroku does on a stop."""
    for member in members(pid):
        with contextlib.suppress(ProcessLookupError):
            os.kill(member, number)


def kill(pid: int) -> None:
    """End everything inside at once; harmless when it has ended.

    The namespace's first process is killed, not the outer one: the outer one
    then ends only after the kernel has ended all others.
    """
    for victim in children(pid) or [pid]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(victim, signal.SIGKILL)


def memory(pid: int) -> int:
    """Bytes that the processes inside hold; pages they share count once for each."""
    return sum(_resident(member) for member in members(pid))


def cpu(pid: int) -> float:
    """Seconds of processor time of the processes inside that live now."""
    return sum(_cpu(member) for member in members(pid))


def children(pid: int) -> list[int]:
    """Direct children of any thread of `pid`."""
    found: list[int] = []
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            with contextlib.suppress(OSError):
                found += map(int, (task / "children").read_text().split())
    return found


def _descendants(pid: int) -> list[int]:
    found = children(pid)
    for child in found:  # grows while it is walked: breadth first
        found += children(child)
    return found


def _resident(pid: int) -> int:
    with contextlib.suppress(OSError, IndexError):
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE
    return 0


def _cpu(pid: int) -> float:
    with contextlib.suppress(OSError, IndexError):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS
    return 0.0
