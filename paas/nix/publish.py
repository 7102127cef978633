"""The last step of a build by Nix: its paths stay, and nodes can get them."""

from __future__ import annotations

from collections.abc import Sequence

from paas.instance import Instance
from paas.nix.cache import Cache
from paas.nix.cache_folder import Usage
from paas.nix.room import with_room
from paas.nix.store import Store


def publish(instance: Instance, store: Store, build_id: str, paths: Sequence[str]) -> Usage | None:
    """Keep what a build has made, and bring it to the cache, signed by `paas-ci`.

    Both hold until retention lets the build go. Safe to repeat. If the disk is
    full, the store is collected as well, unless it is in use.

    Args:
        paths: the release root, and the image if there is one.

    Returns:
        what was new in the cache; None where only another store knows.

    Raises:
        NixError: the cache cannot be reached or written, the disk is full, a path is gone.
        KeysError: the signing key is missing or badly kept.
    """
    cache = Cache.of(instance)
    if store.roots.all().get(build_id) != list(paths):
        store.add_root(build_id, *paths)
    return with_room(store, cache, lambda: cache.push(store, paths))
