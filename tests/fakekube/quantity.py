"""Quantities such as 500m and 1Gi, and their one canonical form."""

from __future__ import annotations

import re
from decimal import ROUND_UP, Decimal, InvalidOperation
from typing import Any

BINARY = {"Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30, "Ti": 1 << 40, "Pi": 1 << 50, "Ei": 1 << 60}
DECIMAL = {
    "n": Decimal("1e-9"),
    "u": Decimal("1e-6"),
    "m": Decimal("1e-3"),
    "": Decimal(1),
    "k": Decimal(1000),
    "M": Decimal(10) ** 6,
    "G": Decimal(10) ** 9,
    "T": Decimal(10) ** 12,
    "P": Decimal(10) ** 15,
    "E": Decimal(10) ** 18,
}
_FORM = re.compile(r"^([+-]?[0-9.]+)((?:[eE][+-]?[0-9]+)|[A-Za-z]{0,2})$")


def _parts(text: str) -> tuple[Decimal, str]:
    found = _FORM.match(text)
    if not found:
        raise ValueError(f"no quantity: {text}")
    number, suffix = found.groups()
    try:
        if suffix[:1] in ("e", "E") and suffix not in ("E", "Ei"):
            return Decimal(number + suffix), ""
        scale = BINARY[suffix] if suffix in BINARY else DECIMAL[suffix]
        return Decimal(number) * scale, suffix
    except (KeyError, InvalidOperation) as error:
        raise ValueError(f"no quantity: {text}") from error


def amount(quantity: Any) -> Decimal:
    """Its value in the base unit (cores, bytes).

    Raises:
        ValueError: it is no quantity.
    """
    return _parts(str(quantity))[0]


def canonical(quantity: Any) -> str:
    """As the server stores it: the largest unit without a fraction, of the same family."""
    value, suffix = _parts(str(quantity))
    if suffix in BINARY and value == value.to_integral_value():
        for unit, scale in reversed(BINARY.items()):
            if value and value % scale == 0:
                return f"{int(value // scale)}{unit}"
        return str(int(value))
    for unit, size in reversed(DECIMAL.items()):
        if value and value % size == 0:
            return f"{int(value / size)}{unit}"
    if not value:
        return "0"
    return f"{int((value / DECIMAL['n']).to_integral_value(ROUND_UP))}n"
