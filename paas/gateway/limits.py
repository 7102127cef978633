"""Slows down whoever guesses tokens."""

from __future__ import annotations

import time
from collections import deque

_FAILURES = 20
_WINDOW = 60.0  # seconds
_MOST_ADDRESSES = 10_000


class FailedLogins:
    """Failures of the last minute by client address."""

    def __init__(self) -> None:
        self._failures: dict[str, deque[float]] = {}

    def blocked(self, address: str) -> bool:
        """Whether `address` has failed so often that it must wait."""
        recent = self._failures.get(address)
        if not recent:
            return False
        horizon = time.monotonic() - _WINDOW
        while recent and recent[0] < horizon:
            recent.popleft()
        if not recent:
            del self._failures[address]
        return len(recent) >= _FAILURES

    def record(self, address: str) -> None:
        """Note a failure of `address`; the oldest address is forgotten when there are too many."""
        recent = self._failures.pop(address, deque(maxlen=_FAILURES))
        recent.append(time.monotonic())
        self._failures[address] = recent
        if len(self._failures) > _MOST_ADDRESSES:
            del self._failures[next(iter(self._failures))]
