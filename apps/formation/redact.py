"""Keeping config vars out of what the platform writes down."""

from __future__ import annotations

from collections.abc import Iterable

SHORTEST = 6  # shorter values ("true", "8080") occur in any text
MASK = "[redacted]"


class Redactor:
    """Replaces the values of config vars in a text."""

    def __init__(self, values: Iterable[str]) -> None:
        long_enough = {value for value in values if len(value) >= SHORTEST}
        self._values = sorted(long_enough, key=len, reverse=True)

    def __call__(self, text: str) -> str:
        for value in self._values:
            text = text.replace(value, MASK)
        return text
