"""Figures, how they are judged, and the table they are printed in."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    OK = "ok"
    OVER = "OVER"
    FAILED = "FAILED"
    INFO = "-"
    """Shown to compare with; there is no target."""


@dataclass(frozen=True)
class Row:
    """One line of the table, fit to print."""

    figure: str
    ours: str
    target: str
    floor: str
    verdict: Verdict


class Invalid(Exception):
    """What was measured did not happen as it should have: there is no figure."""


@dataclass(frozen=True)
class Samples:
    """Several measurements of one thing, in one unit (seconds, unless it says otherwise)."""

    values: tuple[float, ...]

    @classmethod
    def of(cls, values: Sequence[float]) -> Samples:
        if not values:
            raise Invalid("nothing was measured")
        return cls(tuple(values))

    @classmethod
    def take(cls, times: int, measure: Callable[[int], float]) -> Samples:
        """`measure(0)`, `measure(1)`, … one after the other."""
        return cls.of([measure(i) for i in range(times)])

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    def text(self, unit: str = "s", digits: int = 2) -> str:
        low, high = min(self.values), max(self.values)
        spread = f"({low:.{digits}f}–{high:.{digits}f})" if len(self.values) > 1 else ""
        return f"{self.median:.{digits}f} {unit} {spread}".rstrip()


def at_most(figure: str, ours: Samples, limit: float, floor: str) -> Row:
    """A row of seconds whose median must not exceed `limit`."""
    verdict = Verdict.OK if ours.median <= limit else Verdict.OVER
    return Row(figure, ours.text(), f"≤ {limit:g} s", floor, verdict)


def judged(good: bool) -> Verdict:
    return Verdict.OK if good else Verdict.OVER


def render(rows: Sequence[Row]) -> str:
    """The rows under a heading, columns aligned."""
    head = ("figure", "ours: median (min–max)", "target", "floor, same run", "verdict")
    cells = [head, *((r.figure, r.ours, r.target, r.floor, r.verdict.value) for r in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(head))]
    lines = [" | ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) for row in cells]
    rule = "-|-".join("-" * width for width in widths)
    return "\n".join(line.rstrip() for line in [lines[0], rule, *lines[1:]])
