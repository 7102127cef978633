"""A binary cache that is a folder: what is in it, what it takes, what may go.

The format is Nix's: `<hash>.narinfo` describes a store path (signed), and
names the compressed archive in `nar/`, which paths of equal contents share.
Pushes hold the folder's lock together, a collection holds it alone.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

INFO = "nix-cache-info"
_INFO_TEXT = "StoreDir: /nix/store\nWantMassQuery: 1\nPriority: 30\n"
GRACE = 3600.0
"""Seconds after its last push for which nothing is deleted: its build may not be recorded yet."""


@dataclass(frozen=True)
class Entry:
    """One store path in the cache; sizes in bytes.

    Args:
        key: the hash in its store path's name.
        references: keys of the paths it mentions.
        archive: its file below the cache, as "nar/….nar.zst".
        pushed: Unix time at which it was last pushed or found there by a push.
    """

    key: str
    path: str
    references: tuple[str, ...]
    archive: str
    size: int
    nar_size: int
    pushed: float


@dataclass(frozen=True)
class Usage:
    """How many store paths there are, and the bytes that they take."""

    paths: int
    size: int


class CacheFolder:
    """The cache in `root`; it need not exist yet."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def make(self) -> None:
        """Harmless when it is there."""
        self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not (self.root / INFO).exists():
            (self.root / INFO).write_text(_INFO_TEXT)

    @contextmanager
    def pushing(self) -> Iterator[None]:
        """Nothing is deleted meanwhile."""
        with self._locked(fcntl.LOCK_SH):
            yield

    def entry(self, key: str) -> Entry | None:
        """The entry of that hash; None where there is none, or none that can be read."""
        path = self.root / f"{key}.narinfo"
        try:
            return _read(path.read_text(), key, path.stat().st_mtime)
        except (OSError, ValueError, KeyError):
            return None

    def entries(self) -> dict[str, Entry]:
        """All of them, by key."""
        found = (self.entry(path.stem) for path in self.root.glob("*.narinfo"))
        return {entry.key: entry for entry in found if entry is not None}

    def lacks(self, paths: Iterable[str]) -> list[str]:
        """Which of these store paths are not in it."""
        return [path for path in paths if not self._info(key_of(path)).exists()]

    def touch(self, paths: Iterable[str]) -> None:
        """Note that these are wanted now: `collect` leaves them alone for `GRACE` seconds."""
        for path in paths:
            os.utime(self._info(key_of(path)))

    def usage(self, paths: Iterable[str] | None = None) -> Usage:
        """What these store paths take in it; without `paths`, all."""
        if paths is None:
            entries = list(self.entries().values())
        else:
            found = (self.entry(key_of(path)) for path in paths)
            entries = [entry for entry in found if entry is not None]
        sizes = {entry.archive: entry.size for entry in entries}
        return Usage(len(entries), sum(sizes.values()))

    def collect(self, needed: Iterable[str], *, grace: float = GRACE) -> Usage:
        """Delete what none of `needed` reaches and no push has wanted for `grace` seconds.

        Returns:
            what has gone.
        """
        self.make()
        with self._locked(fcntl.LOCK_EX):
            entries = self.entries()
            fresh = time.time() - grace
            roots = {key_of(path) for path in needed}
            roots |= {entry.key for entry in entries.values() if entry.pushed > fresh}
            kept = _reachable(entries, roots)
            gone = [entry for key, entry in entries.items() if key not in kept]
            for entry in gone:  # before its archive: what is listed must be there
                self._info(entry.key).unlink(missing_ok=True)
            return Usage(len(gone), self._remove_archives(kept.values(), fresh))

    def _remove_archives(self, kept: Iterable[Entry], fresh: float) -> int:
        """Delete archives that nothing names, those of pushes that were killed too; the bytes."""
        named = {entry.archive for entry in kept}
        freed = 0
        for path in (self.root / "nar").glob("*"):
            facts = path.stat()
            if f"nar/{path.name}" not in named and facts.st_mtime <= fresh:
                path.unlink()
                freed += facts.st_size
        return freed

    def _info(self, key: str) -> Path:
        return self.root / f"{key}.narinfo"

    @contextmanager
    def _locked(self, how: int) -> Iterator[None]:
        with (self.root / ".lock").open("w") as file:
            fcntl.flock(file, how)
            yield


def key_of(path: str) -> str:
    """The hash in a store path's name: what the cache knows it by."""
    return path.rpartition("/")[2][:32]


def _reachable(entries: dict[str, Entry], roots: set[str]) -> dict[str, Entry]:
    found: dict[str, Entry] = {}
    waiting = list(roots)
    while waiting:
        entry = entries.get(waiting.pop())
        if entry is not None and entry.key not in found:
            found[entry.key] = entry
            waiting += entry.references
    return found


def _read(text: str, key: str, pushed: float) -> Entry:
    facts = dict(line.split(": ", 1) for line in text.splitlines() if ": " in line)
    return Entry(
        key=key,
        path=facts["StorePath"],
        references=tuple(name[:32] for name in facts.get("References", "").split()),
        archive=facts["URL"],
        size=int(facts["FileSize"]),
        nar_size=int(facts["NarSize"]),
        pushed=pushed,
    )
