"""The release phase: a command of the new release, run before any of its processes boots."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from apps.formation.events import tell_output
from apps.formation.failures import CANCELLED, Failure
from apps.formation.redact import Redactor
from apps.formation.runtime import get_runtime
from apps.releases.models import Release
from paas.runtimes.base import AppSpec, OneOff

TIME_LIMIT = 3600.0  # seconds, Heroku's


class PhaseFailed(Exception):
    """The command ended with another status than 0, was cancelled or took too long."""

    def __init__(self, failure: Failure, *, cancelled: bool = False) -> None:
        super().__init__(failure.what)
        self.failure, self.cancelled = failure, cancelled


def run_once(
    release: Release,
    spec: AppSpec,
    command: str,
    *,
    name: str,
    log: Callable[[str], None],
    cancel: threading.Event,
    environment: dict[str, str] | None = None,
) -> None:
    """Run `command` to its end as `name` ("release.3"); its output goes to `log` and the app's log.

    Raises:
        PhaseFailed: it did not end well.
    """
    one_off = get_runtime().run(
        spec, command, name=name, timeout=TIME_LIMIT, environment=environment or {}
    )
    watch = _Watch(one_off, cancel)
    redact = Redactor(spec.environment.values())
    try:
        for line in one_off.lines():
            clear = redact(line)
            log(f"       {clear}")
            tell_output(release.app, name, clear)
        status = one_off.wait()
    finally:
        watch.done.set()
        one_off.stop()
    if watch.stopped_for:
        raise PhaseFailed(watch.stopped_for, cancelled=cancel.is_set())
    if status != 0:
        raise PhaseFailed(
            Failure(
                what=f"The command `{command}` of {name} ended with status {status}",
                why="a release whose command fails is not put live",
                fix="Read its output above, mend it, and try again. The last release goes on.",
            )
        )


class _Watch(threading.Thread):
    """Stops the one-off when it is cancelled or takes too long."""

    def __init__(self, one_off: OneOff, cancel: threading.Event) -> None:
        super().__init__(name="one-off watch", daemon=True)
        self.done = threading.Event()
        self.stopped_for: Failure | None = None
        self._one_off, self._cancel = one_off, cancel
        self.start()

    def run(self) -> None:
        deadline = time.monotonic() + TIME_LIMIT
        while not self.done.wait(0.2):
            if self._cancel.is_set():
                self.stopped_for = CANCELLED
            elif time.monotonic() > deadline:
                self.stopped_for = Failure(
                    what="The command took more than an hour",
                    fix="Make it shorter, or run it with `paas run:detached`.",
                )
            if self.stopped_for:
                self._one_off.stop()
                return
