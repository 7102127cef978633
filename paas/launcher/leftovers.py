"""Who holds the locks of `bound.py`: what runs, and what a killed launcher left behind."""

from __future__ import annotations

import fcntl
import os
import signal
import time
from collections.abc import Iterable
from pathlib import Path

TREES = "trees"
PANEL = "panel"

# An app has 30 s to stop (Heroku), its supervisor a little more.
APPS_STOP_SECONDS = 40.0


def holder(lock: Path) -> int | None:
    """The process group that holds `lock`, or None when nobody does."""
    try:
        handle = os.open(lock, os.O_RDWR)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return _pid_in(handle)
    finally:
        os.close(handle)
    return None


def running(run: Path, folder: str) -> dict[str, int]:
    """Name → process group of everything in `run/<folder>` that runs."""
    found = {lock.stem: holder(lock) for lock in sorted((run / folder).glob("*.lock"))}
    return {name: group for name, group in found.items() if group is not None}


def end_all(run: Path, timeout: float = APPS_STOP_SECONDS) -> list[str]:
    """Stop the trees in good order, then whatever still runs, by force.

    Returns:
        The names of what was found running.
    """
    trees = running(run, TREES)
    _signal(trees.values(), signal.SIGTERM)
    _wait_until_gone(run, TREES, timeout)
    parts = running(run, PANEL)
    kill_all(run)
    return sorted({*trees, *parts})


def kill_all(run: Path) -> None:
    """SIGKILL to everything of ours that runs, and wait until it is gone."""
    for folder in (TREES, PANEL):
        _signal(running(run, folder).values(), signal.SIGKILL)
        _wait_until_gone(run, folder, 10.0)


def _signal(groups: Iterable[int], number: signal.Signals) -> None:
    for group in groups:
        try:
            os.killpg(group, number)
        except ProcessLookupError:
            continue  # it ended between the look and the signal


def _wait_until_gone(run: Path, folder: str, timeout: float) -> None:
    deadline = time.monotonic() + timeout
    while running(run, folder) and time.monotonic() < deadline:
        time.sleep(0.05)


def _pid_in(handle: int) -> int | None:
    first = os.pread(handle, 32, 0).split()[:1]
    return int(first[0]) if first and first[0].isdigit() else None
