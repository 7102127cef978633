"""The machine a run was made on, and whether it had time for us."""

from __future__ import annotations

import os
import platform
from pathlib import Path


def cores() -> int:
    return len(os.sched_getaffinity(0))


def describe() -> str:
    """One line: cores, memory, kernel, Python, load."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    load = ", ".join(f"{value:.2f}" for value in os.getloadavg())
    return (
        f"{cores()} cores ({_processor()}), {memory:.0f} GiB memory, Linux {platform.release()}, "
        f"Python {platform.python_version()}, load {load}"
    )


def busy() -> str | None:
    """A warning, when others use so much of the machine that figures mean little."""
    load = os.getloadavg()[0]
    if load <= cores() / 4:
        return None
    return (
        f"Warning: the machine is busy (load {load:.2f} on {cores()} cores). These figures are "
        "worse than what it can do; run again when it is idle."
    )


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
