"""Version ranges in npm's grammar, by which every language but Python is pinned.

A range is a set of intervals: `^20.1 || >=22` is 20.1.0 up to 21, and all from
22. Pre-release parts are passed over: what a machine has installed are releases.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

MAX_RANGE = 200  # letters; nobody writes one by hand that is longer
Version = tuple[int, int, int]
_END: Version = (10**6, 0, 0)
_START: Version = (0, 0, 0)
_PART = r"(\d{1,6}|[xX*])"
_VERSION = rf"[v=]?\s*{_PART}(?:\.{_PART})?(?:\.{_PART})?(?:[-+][\w.+-]*)?"
_HYPHEN = re.compile(rf"({_VERSION})\s+-\s+({_VERSION})", re.ASCII)
_COMPARATOR = re.compile(rf"\s*,?\s*(\^|~>|~|>=|<=|>|<|)\s*{_VERSION}(?=[\s,<>=^~]|$)", re.ASCII)


@dataclass(frozen=True)
class Range:
    """Versions from `low` on and below `high`, for each of `intervals`."""

    text: str
    intervals: tuple[tuple[Version, Version], ...]

    def __contains__(self, version: Version) -> bool:
        return any(low <= version < high for low, high in self.intervals)

    @property
    def exact(self) -> Version | None:
        """The one version that is meant, where it is one."""
        if len(self.intervals) == 1:
            low, high = self.intervals[0]
            if high == (low[0], low[1], low[2] + 1):
                return low
        return None


def parse_range(text: str) -> Range:
    """`text` as a range; an empty one holds every version.

    Raises:
        ValueError: it is none.
    """
    if len(text) > MAX_RANGE:
        raise ValueError("too long")
    parts = re.split(r"\|\|?", text)
    return Range(text.strip(), tuple(_intersection(part.strip()) for part in parts))


def parse_version(text: str) -> Version | None:
    """The version that a program prints of itself, as "v20.1.2", "go1.22" or "3.1.2p20"."""
    match = re.search(r"(\d{1,6})\.(\d{1,6})(?:\.(\d{1,6}))?", text)
    if match is None:
        return None
    return int(match[1]), int(match[2]), int(match[3] or 0)


def shown_version(version: Version) -> str:
    """`version` with dots."""
    return ".".join(map(str, version))


def _intersection(text: str) -> tuple[Version, Version]:
    low, high = _START, _END
    for one_low, one_high in _bounds(text):
        low, high = max(low, one_low), min(high, one_high)
    return low, high


def _bounds(text: str) -> Iterator[tuple[Version, Version]]:
    if hyphen := _HYPHEN.fullmatch(text):
        groups = hyphen.groups()
        yield _numbers(groups[1:4])[0], _END
        yield _START, _after(*_numbers(groups[5:8]))
        return
    place = 0
    while place < len(text):
        match = _COMPARATOR.match(text, place)
        if match is None:
            raise ValueError(text)
        yield _bound(match[1], *_numbers(match.groups()[1:4]))
        place = match.end()


def _bound(operator: str, version: Version, given: int) -> tuple[Version, Version]:
    """The interval of one comparator; `given` says how many parts were written out."""
    after = _after(version, given)
    if operator == ">=":
        return version, _END
    if operator == ">":
        return after, _END
    if operator == "<":
        return _START, version
    if operator == "<=":
        return _START, after
    if operator == "^" and given:
        leading = next((n for n, part in enumerate(version[:given]) if part), given - 1)
        return version, _after(version, leading + 1)
    if operator == "~":
        return version, _after(version, min(given, 2))
    if operator == "~>":  # Ruby's: the last part that is written may grow
        return version, _after(version, max(given - 1, 1) if given else 0)
    return version, after


def _numbers(parts: tuple[str | None, ...]) -> tuple[Version, int]:
    """A version with zeros for what is left open, and how many parts were written out."""
    given = 0
    numbers = [0, 0, 0]
    for part in parts:
        if part is None or not part.isdigit():
            break
        numbers[given] = int(part)
        given += 1
    return (numbers[0], numbers[1], numbers[2]), given


def _after(version: Version, given: int) -> Version:
    """The first version beyond all that begin with the first `given` parts of `version`."""
    if given == 0:
        return _END
    parts = [*version[:given], 0, 0][:3]
    parts[given - 1] += 1
    return parts[0], parts[1], parts[2]
