"""An entry of a lock as a store path, and what becomes of a lock whose entries are all there."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from apps.builds.builders.base import BuildFailed
from apps.builds.builders.nix.fetch import Fetcher
from apps.builds.builders.nix.paths import fixed_path, safe_name

Contents = Mapping[str, bytes]


@dataclass(frozen=True)
class Entry:
    """A file that a lock names: its name, its hash in hexadecimal, and of which kind that is."""

    name: str
    digest: str
    algorithm: str = "sha256"

    @property
    def file(self) -> str:
        return safe_name(self.name)

    @property
    def path(self) -> str:
        return fixed_path(self.file, self.algorithm, self.digest)


@dataclass(frozen=True)
class Pinned:
    """What takes the place of a fetch phase.

    Args:
        contents: the files that the offline steps see.
        commands: what they begin with.
        inputs: store paths that the contents mention.
        links: names in the tree of links to store paths.
        pruned: the files for the step that removes the development dependencies, where
            they are others.
    """

    contents: Contents
    commands: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ()
    links: Mapping[str, str] = field(default_factory=dict)
    pruned: Contents | None = None


def missing(fetcher: Fetcher, entries: Iterable[Entry]) -> list[Entry]:
    """Those that the store has not, each once."""
    wanted = {one.path: one for one in entries}
    return [one for one in wanted.values() if not os.path.lexists(fetcher.store.physical(one.path))]


def add(
    fetcher: Fetcher, entries: Sequence[Entry], found: Mapping[Entry, Path], lock: str, fix: str
) -> None:
    """Put downloaded files into the store, under the paths that the lock's hashes give.

    Args:
        found: where each lies; one that is not there was not what the lock names.
        fix: what the user should do then.

    Raises:
        BuildFailed: one has another hash.
    """
    folder = fetcher.job.tree.parent / "entries"
    folder.mkdir()
    try:
        by_algorithm: dict[str, list[Entry]] = {}
        for one in entries:
            _copy(one, found, folder, lock, fix)
            by_algorithm.setdefault(one.algorithm, []).append(one)
        for algorithm, group in by_algorithm.items():
            fetcher.store.add_fixed(algorithm, [folder / one.file for one in group])
    finally:
        shutil.rmtree(folder)


def _copy(one: Entry, found: Mapping[Entry, Path], folder: Path, lock: str, fix: str) -> None:
    """What is not what the lock names, and be it a link to somewhere, never gets into the store."""
    path = found.get(one)
    if path is None or path.is_symlink() or not path.is_file():
        raise altered(one.name, lock, fix)
    shutil.copy(path, folder / one.file)
    with (folder / one.file).open("rb") as file:
        if hashlib.file_digest(file, one.algorithm).hexdigest() != one.digest:
            raise altered(one.name, lock, fix)


def altered(name: str, lock: str, fix: str) -> BuildFailed:
    """The error that a registry gave something else."""
    return BuildFailed(
        f"{name} is not what {lock} names",
        "The registry gave a file with another hash, or none.",
        fix,
    )
