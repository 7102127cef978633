"""The clock: drains move on five times a second, what died is found every other.

A thread and not tasks: a pool full of long builds must not keep the sweep
waiting that would notice a dead worker.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime

from django.conf import settings
from django.db import close_old_connections

from apps.formation.cron.clock import Clock
from apps.formation.cron.runs import collect
from apps.formation.queue import enqueue
from apps.formation.runtime import get_runtime
from apps.formation.sweep import sweep
from paas.runtimes.base import ProcessState

logger = logging.getLogger(__name__)

TEND_EVERY = 0.2
IDLE_TEND_EVERY = 1.0
SWEEP_EVERY = 2.0
RAISE_EVERY = 10.0
"""Seconds between two tries to bring back an app whose processes are gone."""


class SignOfLife(threading.Thread):
    """Touches `<part>.alive` until the process ends; /healthz looks how old it is."""

    def __init__(self, part: str) -> None:
        super().__init__(name="sign of life", daemon=True)
        self._file = settings.INSTANCE.run / f"{part}.alive"

    def run(self) -> None:
        while True:
            _guarded(self._file.touch)
            time.sleep(SWEEP_EVERY)


class Ticker(threading.Thread):
    """Tends the runtime and sweeps until the process ends."""

    def __init__(self) -> None:
        super().__init__(name="ticker", daemon=True)
        self._next_sweep = 0.0
        self._clock = Clock()
        self._raised: dict[str, float] = {}

    def run(self) -> None:
        while True:
            _guarded((settings.INSTANCE.run / "beat.alive").touch)
            _guarded(lambda: self._clock.tick(datetime.now(UTC)))
            _guarded(collect)  # before `tend`, which forgets how a process ended
            busy = _guarded(get_runtime().tend)
            if time.monotonic() >= self._next_sweep:
                _guarded(sweep)
                _guarded(self._raise_the_dead)
                self._next_sweep = time.monotonic() + SWEEP_EVERY
            time.sleep(TEND_EVERY if busy else IDLE_TEND_EVERY)

    def _raise_the_dead(self) -> None:
        """Reconcile apps whose processes went down with their supervisor."""
        now = time.monotonic()
        gone = {s.app_id for s in get_runtime().observe() if s.state is ProcessState.DOWN}
        self._raised = {app: at for app, at in self._raised.items() if now - at < RAISE_EVERY}
        for app_id in gone - self._raised.keys():
            self._raised[app_id] = now
            enqueue("reconcile", app_id)


def _guarded(step: Callable[[], object]) -> bool:
    """A step that fails is told and tried again: the clock must never stop."""
    close_old_connections()
    try:
        return bool(step())
    except Exception:
        logger.exception("the ticker's step failed")
        return False
