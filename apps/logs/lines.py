"""A log line: what it holds, how it is written, how it is read back.

The shape is Heroku's (RFC 5424 time with microseconds), so that tools made
for Heroku's logs read ours::

    2026-11-23T22:31:00.123456+00:00 app[web.1]: Listening on port 5000

In the merged file an id stands in front of it (see `apps.logs.store`). This
module imports the standard library only: the observer and the CLI load it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import NamedTuple

MAX_LINE_BYTES = 10_000
"""Longer lines are split (Heroku's Logplex does the same)."""

APP = "app"
PLATFORM = "paas"
"""The two sources: what a process printed, and what the platform says about it."""

CLI_PATTERN = re.compile(r"^(.*?\[([\w-]+)([\d.]+)?]:)(.*)?$")
"""How Heroku's CLI finds the part to colour: every line we write must match it."""

NAME = re.compile(r"[\w-]+(?:\.\d+)?", re.ASCII)
"""A process ("web.1", "release.3") or a part of the platform ("router", "api")."""

_SOURCE = re.compile(r"[a-z]+", re.ASCII)
_LINE = re.compile(rf"(\S+) ({_SOURCE.pattern})\[({NAME.pattern})]: (.*)", re.ASCII)
_ID = re.compile(r"(\d{1,16})-(\d{1,16})", re.ASCII)
# ECMA-48 control sequences (colours, cursor moves, window titles) go as a whole;
# then every other control character but the tab, and Unicode's own line ends.
_SEQUENCES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\))")
_CONTROLS = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029]")


class LineError(ValueError):
    """The text is no log line."""


class LineId(NamedTuple):
    """`<ms>-<seq>`: grows within an app, and is the entry's id in its Redis stream."""

    ms: int
    seq: int

    def __str__(self) -> str:
        return f"{self.ms}-{self.seq}"

    @classmethod
    def parse(cls, text: str) -> LineId:
        """Read `<ms>-<seq>` back.

        Raises:
            LineError: it is no such id.
        """
        match = _ID.fullmatch(text)
        if match is None:
            raise LineError(f"no line id: {text[:40]!r}")
        return cls(int(match[1]), int(match[2]))

    def next(self, ms: int) -> LineId:
        """The id of the line that follows this one and is written at `ms` (Unix milliseconds).

        A clock that went back does not make ids fall.
        """
        return LineId(ms, 0) if ms > self.ms else LineId(self.ms, self.seq + 1)


FIRST = LineId(0, 0)
"""Below every id in use."""


@dataclass(frozen=True)
class Message:
    """A line that has no id yet; `time` is aware."""

    time: datetime
    source: str
    process: str
    text: str

    def __str__(self) -> str:
        return self._line

    @cached_property
    def _line(self) -> str:  # made once, for the file and for the stream
        return f"{timestamp(self.time)} {self.source}[{self.process}]: {self.text}"

    @classmethod
    def parse(cls, text: str) -> Message:
        """Read a line as `str` writes it, without line end.

        Raises:
            LineError: it has another shape or no time.
        """
        match = _LINE.fullmatch(text)
        if match is None:
            raise LineError(f"no log line: {text[:80]!r}")
        try:
            time = datetime.fromisoformat(match[1])
        except ValueError as error:
            raise LineError(f"no time: {match[1][:40]!r}") from error
        if time.tzinfo is None:
            raise LineError(f"a time without zone: {match[1][:40]!r}")
        return cls(time, match[2], match[3], match[4])


@dataclass(frozen=True)
class LogLine:
    """One line of an app's merged log."""

    id: LineId
    message: Message

    @property
    def time(self) -> datetime:
        return self.message.time

    @property
    def source(self) -> str:
        return self.message.source

    @property
    def process(self) -> str:
        return self.message.process

    @property
    def text(self) -> str:
        return self.message.text

    def __str__(self) -> str:
        """As the user sees it: without the id."""
        return str(self.message)

    @property
    def stored(self) -> str:
        """As it stands in the merged file: with the id, without line end."""
        return f"{self.id} {self.message}"

    @classmethod
    def parse(cls, stored: str) -> LogLine:
        """Read what `stored` wrote.

        Raises:
            LineError: it is something else, such as a line torn by a crash.
        """
        line_id, _, rest = stored.partition(" ")
        return cls(LineId.parse(line_id), Message.parse(rest))


def timestamp(time: datetime) -> str:
    """RFC 5424 with microseconds, always UTC."""
    return time.astimezone(UTC).isoformat(timespec="microseconds")


def clean(raw: bytes) -> str:
    """Text fit for a terminal and for one line of a file.

    Control characters (but the tab) and bytes that are not UTF-8 are dropped:
    a log line must not move the cursor of the person who reads it.
    """
    return printable(raw.decode("utf-8", "ignore"))


def printable(text: str) -> str:
    """Likewise of text that has been decoded."""
    return text if text.isprintable() else _CONTROLS.sub("", _SEQUENCES.sub("", text))


def split(raw: bytes, limit: int = MAX_LINE_BYTES) -> Iterator[bytes]:
    """Cut one line into pieces of at most `limit` bytes, between UTF-8 characters."""
    while len(raw) > limit:
        cut = _boundary(raw, limit)
        yield raw[:cut]
        raw = raw[cut:]
    yield raw


def _boundary(raw: bytes, limit: int) -> int:
    """The last place at or before `limit` that does not cut a character in two."""
    for cut in range(limit, max(limit - 4, 0), -1):
        if raw[cut] & 0xC0 != 0x80:
            return cut
    return limit
