"""Become one command that ends with its parent and never runs twice.

Runs as `python -I -S bound.py ORDER`, ORDER being a JSON file written by
`paas.launcher.orders`, and replaces itself by the command. Without it, a
supervisord that is killed (-9) would leave its children running, and its
successor would start a second Redis on the same files.
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

PARENT_VARIABLE = "PAAS_PARENT"
_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def main(path: str) -> None:
    """Carry out the order in the file `path`; does not return."""
    become(json.loads(Path(path).read_text()))


def become(order: dict[str, Any]) -> None:
    """Carry out an order; does not return."""
    parent = os.environ.get(PARENT_VARIABLE)
    _end_with_parent(signal.Signals[order["death_signal"]], parent)
    _wait_for_predecessor(order["lock"])
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    os.umask(0o077)
    os.chdir(order["folder"])
    environment = {**os.environ, **order["environment"], PARENT_VARIABLE: str(os.getpid())}
    os.execvpe(order["argv"][0], order["argv"], environment)  # noqa: S606 - an argument list


def _end_with_parent(death_signal: signal.Signals, parent: str | None) -> None:
    """Ask the kernel for a signal when the parent dies (Linux; elsewhere there is none)."""
    prctl = getattr(ctypes.CDLL(None), "prctl", None)
    if prctl is not None:
        prctl(_PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0)
    if parent and os.getppid() != int(parent):
        sys.exit("The parent has ended already.")  # it died before the kernel was asked


def _wait_for_predecessor(lock: str) -> None:
    """Hold `lock`, with our pid in it, as long as the command (and what it forks) runs."""
    handle = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print(f"{Path(lock).stem} runs already; this one waits for its end.", file=sys.stderr)
        fcntl.flock(handle, fcntl.LOCK_EX)
    os.ftruncate(handle, 0)
    os.write(handle, str(os.getpid()).encode())
    os.set_inheritable(handle, True)


if __name__ == "__main__":
    main(sys.argv[1])
