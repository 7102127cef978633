"""Nix's own log (`--log-format internal-json`) as lines of a build's log, and as facts.

Every line begins with `@nix ` and holds one event as JSON; anything else is
passed on. Whatever a builder prints is hostile: an event that is not as
expected is dropped, and the builder's `@nix` lines reach us as `setPhase`
results only, which name a command of the plan by number.
"""

from __future__ import annotations

import json
import re
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from apps.builds.builders import steps
from apps.builds.builders.base import BuildFailed
from apps.builds.builders.output import BuildLog, clean
from paas import faults

LOG_LIMIT = 16 * 1024 * 1024
"""Bytes that one derivation may print; Nix ends it then."""
_MOST_LINES = LOG_LIMIT // 80  # of one Nix command: each costs Nix and us more than its letters
_PREFIX = "@nix "
_COPY, _BUILD, _SUBSTITUTE = 100, 105, 108
_LINE, _PHASE, _PROGRESS = 101, 104, 105
_PRINTED = f'"type":{_LINE}}}'
_BEGINS = re.compile(r"paas:(\d{1,4})")
_FAILED = re.compile(r"paas-failed:(\d{1,4}):(\d{1,3})")
_NAME = re.compile(r"/nix/store/[0-9a-z]{32}-(.+?)(?:\.drv)?")
_TAIL = 40


@dataclass(frozen=True)
class Step:
    """One path that was built or fetched, in how many seconds; `size` in bytes, if known."""

    name: str
    path: str
    how: str  # "built" | "fetched"
    seconds: float
    size: int = 0


@dataclass(frozen=True)
class Failure:
    """A command of the plan that failed, in the derivation `name`."""

    name: str
    command: str
    status: int


@dataclass
class _Running:
    kind: int
    name: str
    path: str
    since: float
    size: int = 0


class Activities:
    """Reads the events of one Nix command.

    Args:
        commands: those of each derivation of the plan, by its name.
    """

    def __init__(self, log: BuildLog, commands: Mapping[str, Sequence[str]]) -> None:
        self._log, self._commands = log, commands
        self._running: dict[int, _Running] = {}
        self.steps: list[Step] = []
        self.errors: list[str] = []
        self.failure: Failure | None = None
        self.tail: deque[str] = deque(maxlen=_TAIL)
        self._blank = False  # an empty line that may only end an open one
        self._printed = 0

    def feed(self, line: str) -> None:
        """One line of Nix's standard error.

        Raises:
            BuildFailed: the builders print too much.
        """
        if not line.startswith(_PREFIX):
            if line.startswith("error:"):
                self.errors.append(line)
            return
        if line.endswith(_PRINTED):
            self._printed += 1
            if self._printed > _MOST_LINES:
                raise printed_too_much(f"{_MOST_LINES:,} lines")
            if self._log.full:
                return  # a flood costs no more time than it must
        try:
            event = json.loads(line.removeprefix(_PREFIX))
            getattr(self, f"_{event['action']}", _ignore)(event)
        except (ValueError, KeyError, TypeError, IndexError, AttributeError):
            return  # cut off, or of a newer Nix

    def _start(self, event: dict[str, Any]) -> None:
        kind = event["type"]
        if kind in (_BUILD, _SUBSTITUTE, _COPY) and event.get("fields"):
            path = str(event["fields"][0])
            found = _NAME.fullmatch(path)
            name = found[1] if found is not None else path
            self._running[event["id"]] = _Running(kind, name, path, time.monotonic())
            if kind == _BUILD and found is not None:
                faults.point(f"nix.building.{name}")

    def _stop(self, event: dict[str, Any]) -> None:
        done = self._running.pop(event["id"], None)
        if done is None or done.kind == _COPY:
            return
        seconds = round(time.monotonic() - done.since, 3)
        if done.kind == _BUILD:
            self.steps.append(Step(done.name, done.path, "built", seconds))
            self._log.detail(f"built {done.name} in {seconds:.1f} s")
        else:
            self.steps.append(Step(done.name, done.path, "fetched", seconds, done.size))
            size = f" ({done.size / 1024**2:.1f} MiB)" if done.size else ""
            self._log.detail(f"fetched {done.name}{size} from the cache in {seconds:.1f} s")

    def _result(self, event: dict[str, Any]) -> None:
        kind, fields = event["type"], event["fields"]
        running = self._running.get(event["id"])
        if running is None:
            return
        if kind == _LINE:
            self._print(clean(str(fields[0]).encode()))
        elif kind == _PHASE:
            self._phase(running.name, str(fields[0]))
        elif kind == _PROGRESS and running.kind == _COPY:
            for other in self._running.values():
                if other.kind == _SUBSTITUTE and other.path == running.path:
                    other.size = int(fields[0])

    def _msg(self, event: dict[str, Any]) -> None:
        if event["level"] == 0:
            self.errors.append(clean(str(event.get("raw_msg") or event["msg"]).encode()[:4000]))

    def _print(self, line: str) -> None:
        if self._blank:
            self._log.program("")
        self._blank = not line
        if line:
            self.tail.append(line)
            self._log.program(line)

    def _phase(self, name: str, phase: str) -> None:
        self._blank = False
        if (found := _BEGINS.fullmatch(phase)) is not None:
            self._log.step(f"Running {steps.shown(self._commands[name][int(found[1])])}")
        elif (found := _FAILED.fullmatch(phase)) is not None:
            command = self._commands[name][int(found[1])]
            self.failure = Failure(name, command, int(found[2]))


def printed_too_much(limit: str) -> BuildFailed:
    """The error of a build that printed more than `limit`."""
    return BuildFailed(
        f"The build printed more than {limit}",
        "It was ended, so that its log does not fill the disk.",
        "Find the command that prints so much in the log above, and make it quiet.",
    )


def _ignore(_event: dict[str, Any]) -> None:
    """An event that nobody here asks about."""
