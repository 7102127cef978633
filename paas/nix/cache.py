"""The binary cache: where nodes get what was built here, signed.

By default a folder, `$PAAS_HOME/cache/nix`, which the front door serves to
nodes at `/cache/`. `PAAS_NIX_CACHE` names another's (`paas.nix.targets`): then
that one's owner serves it and clears it up.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from paas.instance import Instance
from paas.keys import NIX_KEY, read_key
from paas.nix.cache_folder import CacheFolder, Usage
from paas.nix.copying import copy_to_folder
from paas.nix.signing import public_key
from paas.nix.store import Store
from paas.nix.targets import Target, target


class Cache:
    """The cache of an instance: either its own folder or `elsewhere`.

    Args:
        key: the file of the signing key.
        url: where the other one is, as it was named; "" is the folder.
    """

    def __init__(
        self, folder: CacheFolder, key: Path, elsewhere: Target | None = None, url: str = ""
    ) -> None:
        self.url, self._key, self._elsewhere = url, key, elsewhere
        self.folder = None if elsewhere is not None else folder

    @classmethod
    def of(cls, instance: Instance, environ: Mapping[str, str] | None = None) -> Cache:
        """The cache that the environment names for `instance`; nothing is made.

        Raises:
            KeysError: the signing key is missing or badly kept.
            CacheRefused: `PAAS_NIX_CACHE` names what cannot be the cache.
        """
        env = os.environ if environ is None else environ
        read_key(instance, NIX_KEY)
        folder, key = CacheFolder(instance.cache / "nix"), instance.keys / NIX_KEY
        return cls(folder, key, target(instance, key, env), env.get("PAAS_NIX_CACHE", ""))

    @property
    def public_key(self) -> str:
        """For the `trusted-public-keys` of nodes."""
        return public_key(self._key.read_text())

    def push(self, store: Store, paths: Sequence[str]) -> Usage | None:
        """Bring the paths and all they need to the cache, signed; what is there is not sent again.

        Returns:
            what has been added; None where only the other store knows.

        Raises:
            NotInStore: one is not in `store`.
            NixError: the cache cannot be reached or written.
        """
        if self._elsewhere is not None:
            return self._elsewhere.push(store, paths)
        assert self.folder is not None
        self.folder.make()
        with self.folder.pushing():
            closure = store.requisites(paths)
            missing = self.folder.lacks(closure)
            if missing:
                copy_to_folder(store, self.folder, paths, self._key)
            self.folder.touch(closure)
            return self.folder.usage(missing)

    def collect(self, needed: Iterable[str]) -> Usage | None:
        """Delete what none of the paths needs; None: another's store is not ours to clear up."""
        return self.folder.collect(needed) if self.folder is not None else None
