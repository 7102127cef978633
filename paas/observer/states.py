"""State changes: what `runtime.observe()` said before and says now becomes `paas[web.1]:` lines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from apps.logs.lines import PLATFORM, Message
from paas.runtimes.base import ProcessState, ProcessStatus

_COMMAND_CHARS = 1_000
_ONE_OFF = "run."


@dataclass(frozen=True)
class Seen:
    """What was last told about one process."""

    state: str
    release: int
    restarts: int
    reason: str

    @classmethod
    def of(cls, status: ProcessStatus) -> Seen:
        return cls(status.state.value, status.release, status.restarts, status.reason)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Seen:
        """Raises KeyError, TypeError or ValueError for data of another shape."""
        restarts = int(data["restarts"])
        return cls(str(data["state"]), int(data["release"]), restarts, str(data["reason"]))

    def to_json(self) -> dict[str, object]:
        return asdict(self)


def current(statuses: Iterable[ProcessStatus]) -> dict[str, ProcessStatus]:
    """The process that bears each name: a draining one gives it to its successor."""
    chosen: dict[str, ProcessStatus] = {}
    for status in sorted(statuses, key=_precedence):
        chosen[status.name] = status
    return chosen


def changes(
    before: Mapping[str, Seen], now: Mapping[str, ProcessStatus], time: datetime | None = None
) -> list[Message]:
    """What is worth a line, in the order of the names."""
    time = time or datetime.now(UTC)
    return [
        Message(time, PLATFORM, name, text)
        for name in sorted(before.keys() | now.keys())
        for text in _texts(name, before.get(name), now.get(name))
    ]


def _texts(name: str, before: Seen | None, status: ProcessStatus | None) -> Iterator[str]:
    once = name.startswith(_ONE_OFF)
    if status is None:
        if before is not None and before.state != ProcessState.DOWN:
            yield f"State changed from {before.state} to {'complete' if once else 'down'}"
        return
    seen = Seen.of(status)
    if before is None or before.release != seen.release:
        # People type secrets into the commands of one-offs, and logs are kept.
        what = "" if once else f" with command `{status.command[:_COMMAND_CHARS]}`"
        yield f"Starting process{what}"
    if before is not None and seen.reason and _failed_anew(before, seen):
        yield seen.reason
    old = before.state if before else ProcessState.STARTING.value
    if old != seen.state:
        if seen.state == ProcessState.STOPPING:
            yield "Stopping all processes with SIGTERM"
        yield f"State changed from {old} to {seen.state}"
    elif before is not None and seen.restarts > before.restarts and not seen.reason:
        yield "Process restarted"


def _failed_anew(before: Seen, seen: Seen) -> bool:
    return before.reason != seen.reason or before.restarts < seen.restarts


def _precedence(status: ProcessStatus) -> tuple[bool, int, datetime]:
    leaving = status.state in (ProcessState.STOPPING, ProcessState.DOWN)
    return not leaving, status.release, status.since
