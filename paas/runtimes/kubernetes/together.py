"""Calls that do not wait for each other: most of a deploy's time is spent waiting for the API."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")
_AT_ONCE = 4


def together(work: Callable[[_Item], _Result], items: Iterable[_Item]) -> list[_Result]:
    """`work` of each item, some side by side, in the order of the items.

    Raises:
        What the first of them raises that fails; all have ended by then.
    """
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="together") as pool:
        return list(pool.map(work, items))
