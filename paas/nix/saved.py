"""Builds in a backup: the closures that kept releases run from, as a binary cache.

Not `nix-store --export`: the cache's entries are there already, compressed and
signed, so that saving them is linking them, and whoever brings them back sees
by the key in the same backup that nobody has changed them meanwhile. A restore
lays them into `$PAAS_HOME/cache/nix`, where they are the new cache; from there
they go into the store, whichever that is on the new machine.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from paas.instance import Instance
from paas.keys import NIX_KEY, read_key
from paas.nix.cache_folder import CacheFolder, key_of
from paas.nix.copying import copy_to_folder
from paas.nix.roots import Roots
from paas.nix.signing import public_key
from paas.nix.store import Store

LIST = "restored.json"
"""In `$PAAS_HOME/nix`: name → store paths of the roots that are still to be brought back."""


def any_kept(instance: Instance) -> bool:
    """Whether there are builds by Nix to save."""
    return bool(Roots.of(instance).all())


def save(instance: Instance, draft: Path) -> Mapping[str, Sequence[str]]:
    """Fill the empty folder `draft`, on the disk of `PAAS_HOME`, with all kept builds.

    Returns:
        the roots: name → store paths. What has left the store is not among them.

    Raises:
        NixError: Nix is missing or fails.
        OSError: the folder cannot be written.
    """
    store = Store.of(instance)
    roots = {
        name: paths
        for name, paths in Roots.of(instance).all().items()
        if all(os.path.lexists(store.physical(path)) for path in paths)
    }
    wanted = [path for paths in roots.values() for path in paths]
    target = CacheFolder(draft)
    target.make()
    if wanted:
        cache = CacheFolder(instance.cache / "nix")
        cache.make()
        with cache.pushing(), target.pushing():
            closure = store.requisites(wanted)
            _link(cache, target, closure)
            if target.lacks(closure):
                copy_to_folder(store, target, wanted, instance.keys / NIX_KEY)
    return roots


def bring_back(instance: Instance) -> int:
    """Take restored builds into the store, if there are any that were not yet; safe to repeat.

    Returns:
        how many builds.

    Raises:
        NotSigned: one is not signed by this instance's key.
        NixError: Nix is missing or fails, or one is not whole.
    """
    note = instance.home / "nix" / LIST
    if not note.exists():
        return 0
    roots: dict[str, list[str]] = json.loads(note.read_text())
    store, cache = Store.of(instance), instance.cache / "nix"
    wanted = [path for paths in roots.values() for path in paths]
    trusted = ("--option", "trusted-public-keys", public_key(read_key(instance, NIX_KEY)))
    if wanted:
        source = ("--from", "file:///proc/self/cwd")
        store.run("nix", "copy", *trusted, *source, "--", *wanted, cwd=cache)
    for name, paths in roots.items():
        store.add_root(name, *paths)
    note.unlink()
    return len(roots)


def _link(cache: CacheFolder, target: CacheFolder, closure: Iterable[str]) -> None:
    """The entries that the cache has, without copying them where that can be."""
    (target.root / "nar").mkdir()
    for path in closure:
        entry = cache.entry(key_of(path))
        if entry is not None and (cache.root / entry.archive).is_file():
            for name in (entry.archive, f"{entry.key}.narinfo"):
                _link_file(cache.root / name, target.root / name)


def _link_file(old: Path, new: Path) -> None:
    if new.exists():
        return  # two paths of equal contents share an archive
    try:
        os.link(old, new)
    except OSError:
        shutil.copy2(old, new)
