"""The merged log of an app: one file, one writer (the observer), any readers.

`app.log` holds `<ms>-<seq> <line>` lines whose ids only grow; at 10 MB it
becomes `app.log.1`. Readers need no lock: they read backwards from the end,
skip a last line that is not whole yet, and notice a rotation between their
two opens. Standard library only.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from apps.logs.lines import FIRST, LineError, LineId, LogLine, Message

LOG_NAME = "app.log"
BACKUP_NAME = "app.log.1"
MAX_BYTES = 10 * 1024 * 1024
MAX_LINES = 1500
"""As many lines of history as anyone gets at once (Heroku's figure)."""

_BLOCK = 64 * 1024


@dataclass(frozen=True)
class Filter:
    """Which lines are wanted; an empty field means any.

    `process` is "web.1", or "web" for all of that type.
    """

    source: str = ""
    process: str = ""

    def matches(self, source: str, process: str) -> bool:
        if self.source and source != self.source:
            return False
        return not self.process or self.process in (process, process.partition(".")[0])


ANY = Filter()


@dataclass(frozen=True)
class End:
    """Where the merged file ended at a moment: which file, how long, the last id in it."""

    inode: int
    size: int
    last_id: LineId


class Writer:
    """The observer's end of one app's merged file.

    Args:
        app_dir: the app's log folder, which exists.
        known: the end that the writer's own checkpoint speaks of. What stands
            behind it was written by one that was killed before it could note
            what it had read: it is cut off, and will be read again.

    Raises:
        OSError: the folder is gone, or the disk does not let us write.
    """

    def __init__(self, app_dir: Path, known: End | None = None) -> None:
        self._dir = app_dir
        self._path = app_dir / LOG_NAME
        self._fd = self._open()
        self._cut_behind(known)
        self._cut_torn_line()
        self._last_id = max(last_id(app_dir), known.last_id if known else FIRST)

    def close(self) -> None:
        os.close(self._fd)

    @property
    def end(self) -> End:
        facts = os.fstat(self._fd)
        return End(facts.st_ino, facts.st_size, self._last_id)

    def append(self, messages: Iterable[Message], ms: int) -> list[LogLine]:
        """Write lines in one go, or none of them.

        Args:
            ms: Unix time in milliseconds, from which the ids are made.

        Raises:
            OSError: the disk is full; the file is as it was.
        """
        lines = self._number(messages, ms)
        if not lines:
            return lines
        self._rotate_if_full()
        size = os.fstat(self._fd).st_size
        try:
            self._write("".join(line.stored + "\n" for line in lines).encode())
        except OSError:
            os.ftruncate(self._fd, size)
            raise
        self._last_id = lines[-1].id
        return lines

    def _open(self) -> int:
        return os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def _number(self, messages: Iterable[Message], ms: int) -> list[LogLine]:
        lines, line_id = [], self._last_id
        for message in messages:
            line_id = line_id.next(ms)
            lines.append(LogLine(line_id, message))
        return lines

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(self._fd, view) :]

    def _rotate_if_full(self) -> None:
        if os.fstat(self._fd).st_size < MAX_BYTES:
            return
        self._path.replace(self._dir / BACKUP_NAME)
        os.close(self._fd)
        self._fd = self._open()

    def _cut_behind(self, known: End | None) -> None:
        facts = os.fstat(self._fd)
        if known is None:
            return
        if facts.st_ino == known.inode:
            keep = known.size
        elif _inode(self._dir / BACKUP_NAME) == known.inode:
            keep = 0  # rotated, then killed: nothing in the new file was noted
        else:
            return
        if facts.st_size > keep:
            os.ftruncate(self._fd, keep)

    def _cut_torn_line(self) -> None:
        size = os.fstat(self._fd).st_size
        end = size
        while end:
            start = max(0, end - _BLOCK)
            block = os.pread(self._fd, end - start, start)
            newline = block.rfind(b"\n")
            if newline >= 0:
                end = start + newline + 1
                break
            end = start
        if end < size:
            os.ftruncate(self._fd, end)


def tail(app_dir: Path, count: int, wanted: Filter = ANY) -> list[LogLine]:
    """The newest lines, oldest first; at most `MAX_LINES`; none if there is no log."""
    count = min(count, MAX_LINES)
    found: list[LogLine] = []
    if count > 0:
        for line in _newest_first(app_dir, wanted):
            found.append(line)
            if len(found) == count:
                break
    return found[::-1]


def since(app_dir: Path, line_id: LineId, count: int = MAX_LINES) -> list[LogLine]:
    """The newest lines with ids above `line_id`, oldest first; at most `count`."""
    found: list[LogLine] = []
    for line in _newest_first(app_dir, ANY):
        if line.id <= line_id or len(found) == count:
            break
        found.append(line)
    return found[::-1]


def last_id(app_dir: Path) -> LineId:
    """The id of the newest line, or `FIRST` where there is none."""
    return next((line.id for line in _newest_first(app_dir, ANY)), FIRST)


def remove(app_dir: Path) -> None:
    """Delete all logs of an app; harmless when there are none."""
    with suppress(FileNotFoundError):
        shutil.rmtree(app_dir)


def _newest_first(app_dir: Path, wanted: Filter) -> Iterator[LogLine]:
    for raw in _raw_newest_first(app_dir):
        if wanted is not ANY and not _matches(raw, wanted):
            continue
        with suppress(LineError):
            yield LogLine.parse(raw.decode("utf-8", "replace"))


def _matches(raw: bytes, wanted: Filter) -> bool:
    """The filter on undecoded bytes: parsing 20 MB to find three lines would take seconds."""
    fields = raw.split(b" ", 3)
    if len(fields) != 4:
        return False
    source, _, process = fields[2].decode("ascii", "replace").rstrip("]:").partition("[")
    return wanted.matches(source, process)


def _raw_newest_first(app_dir: Path) -> Iterator[bytes]:
    seen: int | None = None
    for name in (LOG_NAME, BACKUP_NAME):
        try:
            file = (app_dir / name).open("rb", buffering=0)
        except FileNotFoundError:
            continue
        with file:
            inode = os.fstat(file.fileno()).st_ino
            if inode != seen:  # else it was rotated between our two opens
                yield from _backwards(file)
            seen = inode


def _backwards(file: BinaryIO) -> Iterator[bytes]:
    """Whole lines from the last to the first; what follows the last line end is left out."""
    end = file.seek(0, os.SEEK_END)
    rest, first = b"", True
    while end > 0:
        start = max(0, end - _BLOCK)
        file.seek(start)
        block = file.read(end - start) + rest
        rest, *lines = block.split(b"\n")
        if lines and first:
            lines, first = lines[:-1], False  # behind the last line end: empty or torn
        yield from reversed(lines)
        end = start
    if not first:
        yield rest


def _inode(path: Path) -> int | None:
    try:
        return path.stat().st_ino
    except FileNotFoundError:
        return None
