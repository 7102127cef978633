"""The binary cache: where nodes get what was built here, signed.

By default a folder, `$PAAS_HOME/cache/nix`, which the front door serves to
nodes at `/cache/`. `PAAS_NIX_CACHE` names another store that Nix can copy to
(`s3://…`, `ssh-ng://…`, a folder of a store): then that one's owner serves it
and clears it up.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from urllib.parse import quote

from paas.instance import Instance
from paas.keys import NIX_KEY, read_key
from paas.nix.cache_folder import CacheFolder, Usage
from paas.nix.signing import public_key
from paas.nix.store import Store

_BINARY_CACHES = ("s3://", "file://")
"""What Nix signs for while it copies; for other stores the paths are signed first."""


class Cache:
    """The cache of an instance.

    Args:
        url: another store's, as Nix names it; "" is the folder.
        key: the file of the signing key.
    """

    def __init__(self, folder: CacheFolder, key: Path, url: str = "") -> None:
        self.url, self._key = url, key
        self.folder = None if url else folder

    @classmethod
    def of(cls, instance: Instance, environ: Mapping[str, str] | None = None) -> Cache:
        """The cache that the environment names for `instance`; nothing is made.

        Raises:
            KeysError: the signing key is missing or badly kept.
        """
        env = os.environ if environ is None else environ
        read_key(instance, NIX_KEY)
        folder = CacheFolder(instance.cache / "nix")
        return cls(folder, instance.keys / NIX_KEY, env.get("PAAS_NIX_CACHE", ""))

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
            NixFailed: the cache cannot be reached or written.
        """
        if self.folder is None:
            self._push_elsewhere(store, paths)
            return None
        self.folder.make()
        with self.folder.pushing():
            closure = store.requisites(paths)
            missing = self.folder.lacks(closure)
            if missing:
                # As its working folder: Nix refuses some characters in the URL of a folder.
                url = _with("file:///proc/self/cwd", self._parameters)
                store.run("nix", "copy", "--to", url, *paths, cwd=self.folder.root)
            self.folder.touch(closure)
            return self.folder.usage(missing)

    def collect(self, needed: Iterable[str]) -> Usage:
        """Delete what none of the paths needs; another's store is not ours to clear up."""
        return self.folder.collect(needed) if self.folder is not None else Usage(0, 0)

    def _push_elsewhere(self, store: Store, paths: Sequence[str]) -> None:
        url = self.url
        if url.startswith(_BINARY_CACHES):
            url = _with(url, self._parameters)
        else:
            store.run("nix", "store", "sign", "--recursive", "--key-file", str(self._key), *paths)
        store.run("nix", "copy", "--to", url, *paths)

    @property
    def _parameters(self) -> str:
        return f"compression=zstd&secret-key={quote(str(self._key))}"


def _with(url: str, parameters: str) -> str:
    return f"{url}{'&' if '?' in url else '?'}{parameters}"
