"""How fast the fake's time passes."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta


class Clock:
    """Waiting, in the cluster's seconds, takes `1/speed` of it.

    Timestamps stay the real ones, so that a client that compares them with
    its own clock is not misled; only periods, deadlines and back-offs shrink.
    """

    def __init__(self, speed: float = 1.0) -> None:
        self.speed = speed

    def real(self, seconds: float) -> float:
        """Real seconds that the cluster's seconds take."""
        return seconds / self.speed

    def elapsed(self, since: float) -> float:
        """The cluster's seconds since a `time.monotonic()`."""
        return (time.monotonic() - since) * self.speed


def stamp(after: float = 0.0) -> str:
    """Now (plus seconds) as metadata has it: 2026-11-23T06:52:36Z"""
    return (datetime.now(UTC) + timedelta(seconds=after)).strftime("%Y-%m-%dT%H:%M:%SZ")


def micro_stamp() -> str:
    """Now as `eventTime` has it: six digits, or Go cannot read it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def fine_stamp() -> str:
    """Now as log lines have it, with nanoseconds."""
    return micro_stamp().replace("Z", "000Z")
