"""The worker's own clock: drains move on five times a second, lost rows are found every other.

A thread and not tasks: a pool full of long builds must not keep the sweep
waiting that would notice a dead worker.
"""

from __future__ import annotations

import logging
import threading
import time

from django.conf import settings
from django.db import close_old_connections

from apps.formation.runtime import get_runtime
from apps.formation.sweep import sweep

logger = logging.getLogger(__name__)

TEND_EVERY = 0.2
IDLE_TEND_EVERY = 1.0
SWEEP_EVERY = 2.0


class Ticker(threading.Thread):
    """Tends the runtime and sweeps until the process ends."""

    def __init__(self) -> None:
        super().__init__(name="ticker", daemon=True)
        self._next_sweep = 0.0

    def run(self) -> None:
        while True:
            self._guarded((settings.INSTANCE.run / "worker.alive").touch)
            busy = self._guarded(get_runtime().tend)
            if time.monotonic() >= self._next_sweep:
                self._guarded(sweep)
                self._next_sweep = time.monotonic() + SWEEP_EVERY
            time.sleep(TEND_EVERY if busy else IDLE_TEND_EVERY)

    def _guarded(self, step: object) -> bool:
        """A step that fails is told and tried again: this thread must never end."""
        close_old_connections()
        try:
            return bool(step())  # type: ignore[operator]
        except Exception:
            logger.exception("the ticker's step failed")
            return False
