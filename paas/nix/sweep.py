"""The regular collection: of the cache each time, of a store of our own once a day."""

from __future__ import annotations

import logging
import os
import time
from pathlib import Path

from paas.instance import Instance
from paas.keys import KeysError
from paas.nix.cache import Cache
from paas.nix.errors import NixError, StoreBusy
from paas.nix.roots import Roots
from paas.nix.store import Store

STORE_EVERY = 24 * 3600.0
"""Seconds for which what nothing needs lies ready for the next build that does."""
logger = logging.getLogger(__name__)


def sweep_store(instance: Instance, every: float = STORE_EVERY) -> None:
    """One round; nothing happens where nothing was ever built by Nix.

    The machine's own store belongs to others too: it is left to them, until
    an admin asks (`paas cache:gc`) or the disk is full.
    """
    roots = Roots.of(instance)
    if not roots.folder.is_dir():
        return
    try:
        store, cache = Store.of(instance), Cache.of(instance)
        _fill(store, cache)
        cache.collect(path for paths in roots.all().values() for path in paths)
        if store.config.directory is not None and _due(store, every):
            store.collect()
            _mark(store).touch()
    except StoreBusy:
        return  # the next round will find it idle
    except (NixError, KeysError):
        logger.exception("the Nix store could not be swept")


def _fill(store: Store, cache: Cache) -> None:
    """Push again what is kept and not in the cache, because somebody has deleted that."""
    for paths in store.roots.all().values():
        here = [path for path in paths if os.path.lexists(store.physical(path))]
        if cache.folder is not None and cache.folder.lacks(here):
            cache.push(store, here)


def _due(store: Store, every: float) -> bool:
    """Whether the last collection is that long ago; the time before the first one counts, too."""
    mark = _mark(store)
    if not mark.exists():
        mark.touch()
    return mark.stat().st_mtime <= time.time() - every


def _mark(store: Store) -> Path:
    """Last touched when the store was collected."""
    return store.config.home / "collected"
