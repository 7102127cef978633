"""Reading a file that another process appends to and renames away when it is full.

Nothing is held open between two reads: a place in a file is its inode, an
offset, and the first bytes (an inode may be given to a new file). Saved, it
finds its place again after a restart, also in a file that was renamed since.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

_HEAD = 64
_COUNT_BLOCK = 1024 * 1024


@dataclass(frozen=True)
class Place:
    """How far a file has been read.

    `head` are its first bytes, at most 64; `previous` is the inode of the
    file that was read before it, 0 for none.
    """

    inode: int
    offset: int
    head: bytes
    previous: int = 0

    def to_json(self) -> dict[str, object]:
        return asdict(self) | {"head": self.head.hex()}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Place:
        """Raises ValueError, KeyError or TypeError for data of another shape."""
        head = bytes.fromhex(data["head"])
        return cls(int(data["inode"]), int(data["offset"]), head, int(data["previous"]))


Rotated = Callable[[], list[Path]]
"""The renamed predecessors of a file that exist, oldest first."""


def rotated_by_number(path: Path) -> Rotated:
    """Supervisord's way, and ours: one backup, `<name>.1`."""
    backup = path.with_name(path.name + ".1")
    return lambda: [backup] if backup.exists() else []


def rotated_by_time(path: Path) -> Rotated:
    """Caddy's way: `access-2026-11-23T22-31-00.000.log` beside `access.log`."""
    return lambda: sorted(path.parent.glob(f"{path.stem}-*{path.suffix}"))


class Follower:
    """One log file through all its rotations.

    Args:
        rotated: finds the renamed ones.

    `place` says where to go on; None begins at the oldest file there is.
    """

    def __init__(self, path: Path, rotated: Rotated) -> None:
        self.path = path
        self.place: Place | None = None
        self._rotated = rotated

    def pending(self) -> int:
        """Bytes that are there and not read yet; cheap while nothing was rotated."""
        facts = _facts(self.path)
        if (facts is None or not facts.st_size) and not self._rotated():
            return 0
        if (
            facts
            and self.place
            and facts.st_ino == self.place.inode
            and facts.st_size >= self.place.offset
        ):
            return facts.st_size - self.place.offset
        return self._pending_after_rotation()

    def read(self, limit: int) -> bytes:
        """The next bytes, at most `limit`, from one file; empty when there are none."""
        with ExitStack() as stack:
            for file in self._open_unread(stack):
                data = self._read_from(file, limit)
                if data:
                    return data
        return b""

    def skip(self, keep: int) -> int:
        """Pass over all but the newest `keep` bytes; returns how many line ends were passed."""
        lines, surplus = 0, self.pending() - keep
        while surplus > 0:
            data = self.read(min(surplus, _COUNT_BLOCK))
            if not data:
                break
            lines += data.count(b"\n")
            surplus -= len(data)
        return lines

    def _open_unread(self, stack: ExitStack) -> list[BinaryIO]:
        """The files from the one being read to the newest, so that none is passed over.

        The newest is opened first: renamed before we open the others, it is
        met a second time and not taken twice; its successor waits for the next read.
        """
        newest = _open(stack, self.path)
        if newest is not None and self._is_at_place(newest):
            return [newest]
        older = [file for path in self._rotated() if (file := _open(stack, path))]
        if newest is not None and _inode(newest) not in map(_inode, older):
            older.append(newest)
        return older[self._first_unread(older) :]

    def _first_unread(self, files: list[BinaryIO]) -> int:
        for i, file in enumerate(files):
            if self._is_at_place(file):
                return i
        if self.place is None:
            return 0
        # Ours is gone. What was read before it, or was emptied in place, is not read again.
        inodes = [_inode(file) for file in files]
        if self.place.inode in inodes:
            return inodes.index(self.place.inode)
        return inodes.index(self.place.previous) + 1 if self.place.previous in inodes else 0

    def _is_at_place(self, file: BinaryIO) -> bool:
        place = self.place
        if place is None or _inode(file) != place.inode or _size(file) < place.offset:
            return False
        return os.pread(file.fileno(), len(place.head), 0) == place.head

    def _read_from(self, file: BinaryIO, limit: int) -> bytes:
        place = self.place if self._is_at_place(file) else None
        start = place.offset if place else 0
        data = os.pread(file.fileno(), limit, start)
        if data:
            head = os.pread(file.fileno(), min(_HEAD, start + len(data)), 0)
            before = self.place.inode if self.place else 0
            previous = place.previous if place else before
            self.place = Place(_inode(file), start + len(data), head, previous)
        return data

    def _pending_after_rotation(self) -> int:
        with ExitStack() as stack:
            files = self._open_unread(stack)
            total = sum(map(_size, files))
            at_place = bool(files) and self._is_at_place(files[0])
        return total - self.place.offset if at_place and self.place else total


def _facts(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except FileNotFoundError:
        return None


def _open(stack: ExitStack, path: Path) -> BinaryIO | None:
    try:
        return stack.enter_context(path.open("rb", buffering=0))
    except FileNotFoundError:
        return None


def _inode(file: BinaryIO) -> int:
    return os.fstat(file.fileno()).st_ino


def _size(file: BinaryIO) -> int:
    return os.fstat(file.fileno()).st_size
