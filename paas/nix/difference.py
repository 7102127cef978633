"""What differs between two closures, package by package."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from paas.nix.store import PathInfo, Store

# Nix's own rule: the version begins at the first dash that no letter follows.
_VERSION = re.compile(r"-(?=[^a-zA-Z])")


@dataclass(frozen=True)
class PackageChange:
    """One package whose paths differ.

    Args:
        before, after: its versions, "" for a path without; none where it is not there. The same
            on both sides: built anew from other inputs.
        size_before, size_after: bytes of all its paths.
    """

    name: str
    before: tuple[str, ...]
    after: tuple[str, ...]
    size_before: int
    size_after: int


@dataclass(frozen=True)
class ClosureDifference:
    """Sizes in bytes, uncompressed; `new` is what who has the one needs for the other."""

    changes: tuple[PackageChange, ...]
    size_before: int
    size_after: int
    new: int


def difference(store: Store, before: str, after: str) -> ClosureDifference:
    """From the closure of one store path to another's.

    Raises:
        NotInStore: one is not in the store.
    """
    old, new = store.info([before], recursive=True), store.info([after], recursive=True)
    common = {one.path for one in old} & {one.path for one in new}
    left, right = _by_package(old, common), _by_package(new, common)
    return ClosureDifference(
        changes=tuple(
            _change(name, left.get(name, []), right.get(name, []))
            for name in sorted(left.keys() | right.keys())
        ),
        size_before=_size(old),
        size_after=_size(new),
        new=_size(one for one in new if one.path not in common),
    )


def split_name(name: str) -> tuple[str, str]:
    """Package and version: `python3-3.11.2` is `python3`, `3.11.2`."""
    package, *rest = _VERSION.split(name, maxsplit=1)
    return package, rest[0] if rest else ""


def _by_package(infos: Iterable[PathInfo], common: set[str]) -> dict[str, list[PathInfo]]:
    found: dict[str, list[PathInfo]] = {}
    for one in infos:
        if one.path not in common:
            found.setdefault(split_name(one.name)[0], []).append(one)
    return found


def _change(name: str, before: list[PathInfo], after: list[PathInfo]) -> PackageChange:
    return PackageChange(name, _versions(before), _versions(after), _size(before), _size(after))


def _versions(infos: list[PathInfo]) -> tuple[str, ...]:
    return tuple(sorted({split_name(one.name)[1] for one in infos}))


def _size(infos: Iterable[PathInfo]) -> int:
    return sum(one.nar_size for one in infos)
