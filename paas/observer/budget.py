"""How many lines a process may log, so that one that floods harms nobody."""

from __future__ import annotations

from paas.observer.follow import Follower

LINES_PER_SECOND = 1_000
BURST_LINES = 5_000
READ_BYTES = 256 * 1024
"""Read from one file in one pass: 5 MB/s at 20 passes a second."""
BACKLOG_BYTES = 8 * 1024 * 1024
"""More than this unread is skipped: a tail of the log should not lag by minutes."""


LONGEST_AWAY = 300.0
"""Seconds of absence that are made up for at most."""


class Budget:
    """A token bucket, one token a line.

    Args:
        now: monotonic seconds.
        away: seconds nobody read; what was logged meanwhile is within the
            rate too, so the first catching-up is granted that much more.
    """

    def __init__(self, now: float, away: float = 0.0) -> None:
        self._tokens = BURST_LINES + min(away, LONGEST_AWAY) * LINES_PER_SECOND
        self._refilled = now

    def available(self, now: float) -> int:
        earned = (now - self._refilled) * LINES_PER_SECOND
        self._refilled = now
        self._tokens = max(self._tokens, min(self._tokens + earned, BURST_LINES))
        return int(self._tokens)

    def spend(self, lines: int) -> None:
        self._tokens -= lines

    def caught_up(self) -> None:
        """The backlog of the time away has been read: from here on the usual burst holds."""
        self._tokens = min(self._tokens, BURST_LINES)


def skip_backlog(follower: Follower) -> int:
    """Pass over an excessive backlog; returns how many lines were lost by it."""
    return follower.skip(READ_BYTES) if follower.pending() > BACKLOG_BYTES else 0
