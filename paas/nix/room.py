"""Room on the disk: what nobody needs is collected before anything fails for want of it."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TypeVar

from paas.nix.cache import Cache
from paas.nix.cache_folder import Usage
from paas.nix.errors import DiskFull, NixFailed, StoreBusy
from paas.nix.store import Store

LOW = 1024**3
"""Bytes below which a disk counts as full; Nix collects at that mark in the midst of a build."""
_FULL = "No space left on device"
_Result = TypeVar("_Result")

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Collected:
    """What a collection has deleted: store paths here, and paths and bytes in the cache.

    `cache` is None where that is another's, who clears it up.
    """

    store_paths: int
    cache: Usage | None


def collect(store: Store, cache: Cache, *, keep_outputs: bool = True) -> Collected:
    """Delete what no root of this instance needs, in its cache and in its store.

    Args:
        keep_outputs: keep what the kept builds were made with; without, they are slow once.

    Raises:
        StoreBusy: builds are going on; the cache is done.
    """
    freed = cache.collect(chain.from_iterable(store.roots.all().values()))
    return Collected(store.collect(keep_outputs=keep_outputs), freed)


def ensure_room(store: Store, cache: Cache, low: int = LOW) -> None:
    """Collect if little is left, first what costs nothing to have lost.

    For the time before a build, as the store must not be in use.

    Raises:
        DiskFull: that was not enough.
    """
    for keep_outputs in (True, False):
        if free(store) >= low:
            return
        logger.warning("the disk is nearly full: collecting")
        with suppress(StoreBusy):
            collect(store, cache, keep_outputs=keep_outputs)
    if free(store) < low:
        raise _full(store)


def with_room(store: Store, cache: Cache, work: Callable[[], _Result]) -> _Result:
    """Do `work`; if the disk is full, collect and do it once more.

    Raises:
        DiskFull: it is full still.
    """
    try:
        return work()
    except NixFailed as error:
        if not is_full(error):
            raise
    with suppress(StoreBusy):
        collect(store, cache, keep_outputs=False)
    try:
        return work()
    except NixFailed as error:
        raise (_full(store) if is_full(error) else error) from error


def is_full(error: NixFailed) -> bool:
    """Whether a command failed because a disk is full."""
    return _FULL in error.output


def free(store: Store) -> int:
    """Bytes left for the store or for `PAAS_HOME`, whichever has less."""
    folders = (store.physical("/nix/store"), store.config.home)
    return min(shutil.disk_usage(_existing(folder)).free for folder in folders)


def _existing(folder: Path) -> Path:
    return next(one for one in (folder, *folder.parents) if one.exists())


def _full(store: Store) -> DiskFull:
    return DiskFull(
        f"The disk is full: {free(store) // 1024**2} MB are left, and no more can be collected. "
        "Destroy apps that are not used any more (their releases hold what they run from), or "
        "give the machine more disk."
    )
