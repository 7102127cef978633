"""How much is done at once: builds must not eat the machine, pushes not all of the worker.

A push that finds no slot gives its thread back and stays `pending`; whoever
ends one calls the next. So config changes and reconciles always find a thread.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

PUSHES = threading.BoundedSemaphore(8)
"""Pushes in one worker; its pool has more threads than that (`paas/launcher/parts.py`)."""

_BUILDS = threading.BoundedSemaphore(os.cpu_count() or 2)


@contextmanager
def build_slot(cancel: threading.Event) -> Iterator[None]:
    """Wait for a core's worth of building, or until `cancel` is set: then go on at once."""
    taken = False
    while not taken and not cancel.is_set():
        taken = _BUILDS.acquire(timeout=0.2)
    try:
        yield
    finally:
        if taken:
            _BUILDS.release()
