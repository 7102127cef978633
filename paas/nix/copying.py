"""Copies into binary caches, signed and compressed: done by Nix."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from paas.nix.cache_folder import CacheFolder
from paas.nix.store import Store


def copy_to_folder(store: Store, folder: CacheFolder, paths: Sequence[str], key: Path) -> None:
    """Bring the paths, with what they need and the folder lacks, into it.

    Args:
        key: the file of the key that signs.

    Raises:
        NixError: one is not in `store`, or the folder cannot be written.
    """
    # As its working folder: Nix refuses some characters in the URL of a folder.
    url = signed("file:///proc/self/cwd", key)
    store.run("nix", "copy", "--to", url, *paths, cwd=folder.root)


def signed(url: str, key: Path) -> str:
    """The URL of a binary cache, for `nix copy --to`, with how it is to be written."""
    return f"{url}{'&' if '?' in url else '?'}compression=zstd&secret-key={quote(str(key))}"
