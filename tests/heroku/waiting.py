"""Waiting for what becomes true soon."""

from __future__ import annotations

import time
from collections.abc import Callable

PATIENCE = 40.0  # seconds


def until(holds: Callable[[], object]) -> None:
    """Ask `holds` until it says yes."""
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.2)
