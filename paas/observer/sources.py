"""From the bytes of a raw file to messages: line ends, the cap on floods, the note about it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from apps.logs.lines import APP, MAX_LINE_BYTES, PLATFORM, LineError, Message, clean, split
from paas.observer.budget import READ_BYTES, Budget, skip_backlog
from paas.observer.follow import Follower, Place

PARTIAL_SECONDS = 1.0
"""A line without its end is shown once nothing has followed for so long."""
NOTE_SECONDS = 1.0
"""How often at most a process that floods is told what it lost."""

ToMessage = Callable[[bytes], Message | None]


def printed_by(process: str) -> ToMessage:
    """Lines of a process carry no time: they are stamped when read."""
    return lambda raw: Message(datetime.now(UTC), APP, process, clean(raw))


def said_by_platform(raw: bytes) -> Message | None:
    """Lines of `platform.raw` are whole messages; a line of another shape is left out."""
    try:
        return Message.parse(clean(raw))
    except LineError:
        return None


def overflow_note(process: str, dropped: int) -> Message:
    """Heroku's L10."""
    text = f"Error L10 (output buffer overflow): {dropped} lines dropped"
    return Message(datetime.now(UTC), PLATFORM, process, text)


@dataclass
class Drops:
    """Lines lost since the last note about it."""

    process: str
    lines: int = 0
    noted: float = float("-inf")

    def note(self, now: float) -> list[Message]:
        """The note that is due, if one is."""
        if not self.lines or now - self.noted < NOTE_SECONDS:
            return []
        lines, self.lines, self.noted = self.lines, 0, now
        return [overflow_note(self.process, lines)]


class Source:
    """One raw file of one app, read line by line.

    Args:
        process: whom a flood is blamed on ("web.1").
        saved: what `state` returned before a restart, or None.
        now: monotonic seconds.
        away: seconds nobody read.
    """

    def __init__(
        self,
        follower: Follower,
        process: str,
        to_message: ToMessage,
        *,
        now: float,
        away: float = 0.0,
    ) -> None:
        self.follower = follower
        self.drops = Drops(process)
        self._to_message = to_message
        self._budget = Budget(now, away)
        self._partial = b""
        self._grown = now

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Go on where `state` was taken.

        Raises:
            ValueError, KeyError, TypeError: it is something else.
        """
        self.follower.place = Place.from_json(saved["place"])
        self._partial = bytes.fromhex(saved["partial"])
        self.drops.lines = int(saved["dropped"])

    def state(self) -> dict[str, object] | None:
        """What to save; None before anything was read."""
        place = self.follower.place
        if place is None:
            return None
        partial = self._partial.hex()
        return {"place": place.to_json(), "partial": partial, "dropped": self.drops.lines}

    def take(self, now: float) -> list[Message]:
        """The messages that are there, at most a pass's worth."""
        note = self.drops.note(now)
        if self.follower.pending():
            self.drops.lines += skip_backlog(self.follower)
            raws = self._read(now)
        else:
            raws = self._stale_partial(now)
        return note + [m for raw in raws if (m := self._to_message(raw)) is not None]

    def _read(self, now: float) -> list[bytes]:
        data = self.follower.read(READ_BYTES)
        self._grown = now
        allowed = self._budget.available(now)
        whole, self._partial = _whole_lines(self._partial + data)
        lines = _first_lines(whole, allowed)
        self.drops.lines += whole.count(b"\n") - len(lines)
        pieces = [piece for line in lines for piece in split(line)]
        self._budget.spend(len(pieces))
        if len(data) < READ_BYTES:
            self._budget.caught_up()
        return pieces + list(self._overlong_partial())

    def _overlong_partial(self) -> Iterator[bytes]:
        while len(self._partial) > MAX_LINE_BYTES:
            piece = next(split(self._partial))
            self._partial = self._partial[len(piece) :]
            self._budget.spend(1)
            yield piece

    def _stale_partial(self, now: float) -> list[bytes]:
        if not self._partial or now - self._grown < PARTIAL_SECONDS:
            return []
        raw, self._partial = self._partial, b""
        return [raw]


def _whole_lines(data: bytes) -> tuple[bytes, bytes]:
    end = data.rfind(b"\n") + 1
    return data[:end], data[end:]


def _first_lines(whole: bytes, count: int) -> list[bytes]:
    """At most `count` lines: those beyond it are not even cut apart."""
    lines = whole.split(b"\n", max(count, 0))
    return [line.removesuffix(b"\r") for line in lines[:-1]]
