"""Lines that come over the network, not from files: those of apps on a cluster.

How far each container was read is saved with the app's checkpoint, so that
after a kill nothing is lost and nothing is told twice.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Protocol, runtime_checkable

from apps.logs.lines import APP, PLATFORM, Message, clean, split
from paas.observer.budget import Budget
from paas.observer.merge import AppLog
from paas.observer.sources import Drops


class StreamedLine(Protocol):
    """One line, and the mark that says that it was read."""

    app_id: str
    process: str
    text: str
    time: datetime
    key: str
    stamp: str
    platform: bool


@runtime_checkable
class Streams(Protocol):
    """A runtime that brings lines itself."""

    def follow(self, marks: Callable[[str], Mapping[str, str] | None]) -> None: ...

    def take(self) -> Iterable[StreamedLine]: ...

    def is_known(self, key: str) -> bool: ...


class Streamed:
    """Deals a runtime's lines to the logs of their apps."""

    def __init__(self, source: Streams) -> None:
        self._source = source
        self._budgets: dict[tuple[str, str], Budget] = {}
        self._drops: dict[tuple[str, str], Drops] = {}
        self._next_follow = 0.0

    def deal(self, logs: Mapping[str, AppLog], now: float) -> None:
        """Put what has come into the logs it is for; lines of unknown apps are left out."""
        if now >= self._next_follow:
            self._next_follow = now + 0.2
            self._source.follow(lambda app_id: logs[app_id].marks if app_id in logs else None)
            for log in logs.values():
                log.forget_marks(self._source.is_known)
        found: dict[str, list[StreamedLine]] = defaultdict(list)
        for line in self._source.take():
            found[line.app_id].append(line)
        for app_id, lines in found.items():
            if app_id in logs:
                lines.sort(key=lambda line: line.time)
                log = logs[app_id]
                log.add(message for line in lines for message in self._messages(line, now))
                log.mark({line.key: line.stamp for line in lines if line.key})

    def _messages(self, line: StreamedLine, now: float) -> Iterator[Message]:
        """Of a process that floods, as many as it may, and what it lost."""
        who = (line.app_id, line.process)
        budget = self._budgets.setdefault(who, Budget(now))
        drops = self._drops.setdefault(who, Drops(line.process))
        yield from drops.note(now)
        if budget.available(now) < 1:
            drops.lines += 1
            return
        source = PLATFORM if line.platform else APP
        for piece in split(line.text.encode("utf-8", "replace")):
            budget.spend(1)
            yield Message(line.time, source, line.process, clean(piece))
