"""The runtime as the observer sees it: looked at in a thread, since a runtime may block."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from paas.runtimes.base import LogSource, ProcessStatus, RouteTable

LOOK_SECONDS = 1.0
HURRIED_SECONDS = 0.1
"""The pause between two looks, when nobody and when somebody asked for one."""

logger = logging.getLogger(__name__)


class Observed(Protocol):
    """The part of `paas.runtimes.base.Runtime` that the observer uses."""

    def observe(self, *app_ids: str) -> list[ProcessStatus]: ...

    def log_sources(self) -> list[LogSource]: ...

    def routes(self) -> RouteTable: ...


@dataclass(frozen=True)
class View:
    """What the runtime said at one moment; `taken` is Unix time, before the first question.

    `ports` holds those of the view before too: a process that has just left
    may still have answered the request whose line is read now.
    """

    taken: float = 0.0
    statuses: Mapping[str, list[ProcessStatus]] = field(default_factory=dict)
    files: Mapping[str, dict[Path, str]] = field(default_factory=dict)
    hosts: Mapping[str, str] = field(default_factory=dict)
    ports: Mapping[int, str] = field(default_factory=dict)


class Watcher:
    """Keeps a `View` fresh."""

    def __init__(self, runtime: Observed) -> None:
        self.view = View()
        self._runtime = runtime
        self._ports: Mapping[int, str] = {}
        self._hurry = asyncio.Event()
        self._failure = ""  # told once, not each second

    def hurry(self) -> None:
        """Look again soon: something was met that the view does not know."""
        self._hurry.set()

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await self._look_once()
            await asyncio.sleep(HURRIED_SECONDS)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._hurry.wait(), LOOK_SECONDS - HURRIED_SECONDS)
            self._hurry.clear()

    async def _look_once(self) -> None:
        try:
            self.view = await asyncio.to_thread(self.look)
            self._failure = ""
        except Exception as error:  # whatever ails the runtime, the logs must go on
            failure = f"{type(error).__name__}: {error}"
            if failure != self._failure:
                logger.warning("the runtime cannot be looked at: %s", failure)
            self._failure = failure

    def look(self) -> View:
        taken = time.time()
        routes = self._runtime.routes()
        ports, self._ports = {**self._ports, **routes.ports}, routes.ports
        statuses: dict[str, list[ProcessStatus]] = {}
        for status in self._runtime.observe():
            statuses.setdefault(status.app_id, []).append(status)
        files: dict[str, dict[Path, str]] = {}
        for source in self._runtime.log_sources():
            files.setdefault(source.app_id, {})[source.path] = source.process
        return View(taken, statuses, files, routes.hosts, ports)
