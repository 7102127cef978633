"""Unpack what a push brought: a `git archive` whose every entry may be hostile.

`tarfile` itself extracts nothing here: entries are checked first, then made
with calls that refuse to follow links, so that no entry can lead a later one
out of the tree. Its own data filter resolves each name with `realpath`, which
costs more than all the rest on a tree of 10,000 files.
"""

from __future__ import annotations

import errno
import os
import posixpath
import stat
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

_COPY_CHUNK = 1024 * 1024
_SHOWN = 120  # characters of a file name in a message


class SourceRefused(Exception):
    """The tree holds something that must not be unpacked; for the user.

    Args:
        what: one line, naming the file, without a full stop.
        why: the reason.
        fix: what to do.
    """

    def __init__(self, what: str, why: str, fix: str) -> None:
        super().__init__(f"{what}. {why} {fix}")
        self.what, self.why, self.fix = what, why, fix


@dataclass(frozen=True)
class ArchiveLimits:
    """Upper bounds of a tree; Heroku's checkout may have 1 GB."""

    files: int = 50_000
    bytes: int = 1024**3


def unpack(
    archive: Path, into: Path, *, uid: int | None, limits: ArchiveLimits | None = None
) -> None:
    """Unpack the tar file `archive` into the empty folder `into`.

    Files get 0644 or, where git says executable, 0755; folders 0755. Links
    stay when they point into the tree, whether or not their target exists.

    Args:
        uid: owner of all that is made, `into` included; None for this process's user.

    Raises:
        SourceRefused: an entry leads out of the tree, is a device, or there is too much.
        OSError: the disk is full.
    """
    writer = _Writer(into, limits or ArchiveLimits(), uid)
    try:
        with tarfile.open(archive, "r:", encoding="utf-8", errors="surrogateescape") as tar:
            for entry in tar:
                writer.add(tar, entry)
    except tarfile.TarError as error:
        raise SourceRefused(
            "The pushed files could not be read",
            f"Their archive is damaged ({error}).",
            "Push again.",
        ) from None
    writer.own(into)


class _Writer:
    """Makes entries below one folder, which nobody else writes to meanwhile."""

    def __init__(self, into: Path, limits: ArchiveLimits, uid: int | None) -> None:
        self._root, self._limits, self._uid = str(into), limits, uid
        self._folders = {""}  # made by us, hence real folders and not links
        self._files = 0
        self._bytes = 0

    def add(self, tar: tarfile.TarFile, entry: tarfile.TarInfo) -> None:
        name = _checked_name(entry)
        if not name:
            return
        self._count(entry)
        try:
            self._make(tar, entry, name)
        except FileExistsError:
            raise _twice(entry.name) from None
        except UnicodeEncodeError:
            raise _bad_name(entry.name, "It is not encoded in UTF-8.") from None
        except OSError as error:
            if error.errno != errno.ENAMETOOLONG:
                raise
            raise _bad_name(entry.name, "It is too long for a file system.") from None

    def _make(self, tar: tarfile.TarFile, entry: tarfile.TarInfo, name: str) -> None:
        if entry.isdir():
            self._make_folders(name)
            return
        self._make_folders(posixpath.dirname(name))
        path = f"{self._root}/{name}"
        if entry.isreg():
            self._write(tar, entry, path)
        elif entry.issym():
            Path(path).symlink_to(_checked_target(name, entry))
        else:
            raise _no_plain_file(entry.name)
        self.own(path)

    def own(self, path: str | Path) -> None:
        if self._uid is not None:
            os.chown(path, self._uid, self._uid, follow_symlinks=False)

    def _count(self, entry: tarfile.TarInfo) -> None:
        self._files += 1
        self._bytes += entry.size if entry.isreg() else 0
        if self._files > self._limits.files:
            raise _too_much(f"more than {self._limits.files:,} files and folders")
        if self._bytes > self._limits.bytes:
            raise _too_much(f"more than {self._limits.bytes // 1024**2:,} MiB")

    def _make_folders(self, name: str) -> None:
        missing = []
        while name not in self._folders:
            missing.append(name)
            name = posixpath.dirname(name)
        for folder in reversed(missing):
            path = Path(f"{self._root}/{folder}")
            path.mkdir(0o755)
            self.own(path)
            self._folders.add(folder)

    def _write(self, tar: tarfile.TarFile, entry: tarfile.TarInfo, path: str) -> None:
        mode = 0o755 if entry.mode & stat.S_IXUSR else 0o644
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        source = cast("IO[bytes]", tar.fileobj)
        source.seek(entry.offset_data)
        descriptor = os.open(path, flags, mode)
        try:
            _copy(source, descriptor, entry.size)
        finally:
            os.close(descriptor)


def _copy(source: IO[bytes], descriptor: int, size: int) -> None:
    while size:
        chunk = source.read(min(size, _COPY_CHUNK))
        if not chunk:
            raise tarfile.ReadError("it ends too early")
        size -= len(chunk)
        while chunk:
            chunk = chunk[os.write(descriptor, chunk) :]


def _checked_name(entry: tarfile.TarInfo) -> str:
    """The entry's path relative to the root, "" for the root itself."""
    name = entry.name
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if name.startswith("/") or ".." in parts or "\0" in name:
        raise SourceRefused(
            f"{_shown(name)} would lie outside of the app",
            "Its path is absolute or goes up.",
            "Remove it from the repository with `git rm` and commit.",
        )
    return "/".join(parts)


def _checked_target(name: str, entry: tarfile.TarInfo) -> str:
    """The link's target, if it stays inside; by its text alone, whatever it passes through.

    Resolving the text is enough: every folder on the way is a real one or a
    link that has passed this test itself, and a link's target may not climb
    after it has passed through another name than "..".
    """
    target = entry.linkname
    parts = [part for part in target.split("/") if part not in ("", ".")]
    climbs = [part == ".." for part in parts]
    up = sum(climbs)
    leads_out = up > name.count("/") or climbs != sorted(climbs, reverse=True)
    if target.startswith("/") or leads_out or not target or "\0" in target:
        raise SourceRefused(
            f"The link {_shown(name)} -> {_shown(target)} leads out of the app",
            "A link may point only to a path inside the repository, relative to its own folder.",
            "Replace it with a relative link inside the repository, or with a copy of the file.",
        )
    return target


def _no_plain_file(name: str) -> SourceRefused:
    return SourceRefused(
        f"{_shown(name)} is neither a file, a folder nor a symbolic link",
        "Devices, pipes and hard links are not unpacked.",
        "Remove it from the repository.",
    )


def _twice(name: str) -> SourceRefused:
    return SourceRefused(
        f"{_shown(name)} is there twice",
        "Two entries have this path, or one of its folders is a file or a link.",
        "Run `git fsck`, rename one of them, and commit.",
    )


def _bad_name(name: str, why: str) -> SourceRefused:
    return SourceRefused(
        f"{_shown(name)} has a name that cannot be written here",
        why,
        "Rename it with `git mv` and commit.",
    )


def _too_much(what: str) -> SourceRefused:
    return SourceRefused(
        f"The repository holds {what}",
        "So much is not unpacked for a build.",
        "Take what the app does not need out with `git rm --cached` and .gitignore; keep large "
        "data in an add-on or an object store.",
    )


def _shown(text: str) -> str:
    """`text` for a message: printable and short."""
    printable = "".join(char if char.isprintable() else "?" for char in text)
    return printable if len(printable) <= _SHOWN else f"{printable[:_SHOWN]}…"
