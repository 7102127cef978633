"""The observer's loop: look for what is new, write it down, publish it, sleep."""

from __future__ import annotations

import asyncio
import logging
import time
from asyncio import FIRST_COMPLETED
from collections.abc import Coroutine
from contextlib import suppress
from pathlib import Path

from apps.logs.lines import Message
from paas.instance import Instance
from paas.observer import states
from paas.observer.access import AccessLog
from paas.observer.merge import AppLog
from paas.observer.publish import Publisher
from paas.observer.states import Seen
from paas.observer.streamed import Streamed, Streams
from paas.observer.watch import Observed, Watcher

BUSY_SECONDS = 0.05
IDLE_SECONDS = 0.1
BUSY_FOR_SECONDS = 2.0
"""The pause between two passes, and for how long after a line it stays short."""
HEARTBEAT_SECONDS = 2.0
BLOCKED_SECONDS = 1.0
"""How long an app whose log cannot be written (disk full) is left alone."""

MTIME_STEP_NS = 100_000_000
"""A folder that changed so recently may change again without its time changing."""

logger = logging.getLogger(__name__)


def heartbeat_file(instance: Instance) -> Path:
    """Its age says whether the observer lives: it is touched every `HEARTBEAT_SECONDS`."""
    return instance.run / "observer.alive"


class Observer:
    """Merges the logs of all apps of an instance.

    Args:
        redis_url: where the streams go.
    """

    def __init__(self, instance: Instance, runtime: Observed, redis_url: str) -> None:
        self._instance = instance
        self._watcher = Watcher(runtime)
        self._streamed = Streamed(runtime) if isinstance(runtime, Streams) else None
        self._publisher = Publisher(redis_url, instance.app_logs)
        self._access = AccessLog(instance.router_log)
        self._logs: dict[str, AppLog] = {}
        self._changed: dict[Path, int] = {}  # folder → mtime seen, ns
        self._blocked: dict[str, float] = {}  # app id → monotonic time of the next try
        self._view = self._watcher.view
        self._beat = float("-inf")

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set; what was read is written and published then."""
        helpers = [_start(self._watcher.run()), _start(self._publisher.run())]
        stopping = _start(stop.wait())
        last_line = float("-inf")
        while not stop.is_set():
            now = time.monotonic()
            if self.step(now):
                last_line = now
            self._heartbeat(now)
            pause = BUSY_SECONDS if now - last_line < BUSY_FOR_SECONDS else IDLE_SECONDS
            await asyncio.wait([stopping, *helpers], timeout=pause, return_when=FIRST_COMPLETED)
            for helper in helpers:
                if helper.done():
                    helper.result()  # it never ends but by an error: end with it, and begin anew
        for helper in helpers:
            helper.cancel()
        self.step(time.monotonic())
        await self._publisher.close()
        for log in self._logs.values():
            log.close()

    def step(self, now: float) -> bool:
        """One pass over everything; True if it wrote a line."""
        self._find_apps(now)
        seen, self._view = self._view, self._watcher.view
        if self._streamed is not None:
            self._streamed.deal(self._logs, now)
        self._access.read()
        if not self._access.deal(self._view, self._deliver):
            self._watcher.hurry()
        fresh = self._view is not seen
        wrote = [self._pass(log, now, fresh) for log in [*self._logs.values()]]
        if not self._blocked:
            with suppress(OSError):
                self._access.save()
        return any(wrote)

    def _find_apps(self, now: float) -> None:
        if not self._has_changed(self._instance.app_logs):
            return
        present = {path.name: path for path in self._instance.app_logs.iterdir() if path.is_dir()}
        for app_id in self._logs.keys() - present.keys():
            self._forget(app_id)
        for app_id in present.keys() - self._logs.keys():
            self._adopt(present[app_id], now)

    def _adopt(self, app_dir: Path, now: float) -> None:
        try:
            log = AppLog(app_dir, now)
        except OSError as error:
            logger.warning("the log of app %s cannot be opened: %s", app_dir.name, error)
            self._changed.pop(self._instance.app_logs, None)  # look again
            return
        self._logs[log.app_id] = log
        self._publisher.put(log.app_id, [])  # catches its stream up

    def _forget(self, app_id: str) -> None:
        self._logs.pop(app_id).close()
        self._blocked.pop(app_id, None)
        self._changed.pop(self._instance.app_logs / app_id, None)
        self._publisher.drop(app_id)

    def _tell_changes(self, log: AppLog) -> None:
        statuses = states.current(self._view.statuses.get(log.app_id, ()))
        log.add(states.changes(log.states, statuses))
        log.states = {name: Seen.of(status) for name, status in statuses.items()}

    def _deliver(self, app_id: str, number: int, message: Message) -> None:
        log = self._logs.get(app_id)
        if log is not None:
            log.add_routed(number, message, time.monotonic())

    def _pass(self, log: AppLog, now: float, fresh: bool) -> bool:
        if now < self._blocked.get(log.app_id, now):
            return False
        changed = self._has_changed(log.folder)
        if changed:
            self._watcher.hurry()
        if changed or fresh:
            log.follow(self._view.files.get(log.app_id, {}), now)
        try:
            if not self._blocked.pop(log.app_id, None):
                log.take(now)
            if fresh:
                self._tell_changes(log)  # behind what the process said before it changed
            lines = log.flush()
        except OSError as error:
            self._block(log, now, error)
            return False
        if lines:
            self._publisher.put(log.app_id, lines)
        return bool(lines)

    def _block(self, log: AppLog, now: float, error: OSError) -> None:
        self._blocked[log.app_id] = now + BLOCKED_SECONDS
        logger.warning("the log of app %s cannot be kept, will try again: %s", log.app_id, error)

    def _has_changed(self, folder: Path) -> bool:
        try:
            mtime = folder.stat().st_mtime_ns
        except FileNotFoundError:
            mtime = 0
        settled = time.time_ns() - mtime > MTIME_STEP_NS
        if settled and self._changed.get(folder, 0) == mtime:
            return False
        self._changed[folder] = mtime
        return mtime != 0

    def _heartbeat(self, now: float) -> None:
        if now - self._beat < HEARTBEAT_SECONDS:
            return
        self._beat = now
        with suppress(OSError):
            heartbeat_file(self._instance).touch(mode=0o600)


def _start(work: Coroutine[object, object, object]) -> asyncio.Task[object]:
    return asyncio.create_task(work)
