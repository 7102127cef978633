"""The file of a backup: a gzipped tar that begins with a manifest and ends with checksums."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import stat
import tarfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any

from paas.launcher.errors import LaunchError

FORMAT = 1
_MANIFEST = "manifest.json"
_CHECKSUMS = "checksums.json"
_COMPRESSION = 1  # repositories and wheels are compressed already


class ArchiveError(LaunchError):
    """A backup cannot be written, or is no whole backup of ours; the text says why."""


@dataclass(frozen=True)
class Manifest:
    """What a backup is.

    `home` is where it was taken, `database` "sqlite" or "postgresql",
    `first_uid` the lowest user id of its apps (None: a plain user's instance).
    """

    format: int
    version: str
    created: str
    home: str
    database: str
    artifacts: bool
    first_uid: int | None


class _HashingReader:
    """Hashes what `tarfile` reads from a file."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self.digest = file, hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self.digest.update(data)
        return data


class Writer:
    """Adds files to a backup that is being written."""

    def __init__(self, tar: tarfile.TarFile) -> None:
        self._tar, self._checksums = tar, dict[str, str]()

    def add(self, path: Path, name: str) -> None:
        """Add one file, link or folder (itself only), unless it has vanished; leave out the rest.

        Raises:
            OSError: it cannot be read.
        """
        try:
            facts = path.lstat()
        except FileNotFoundError:
            return  # the instance runs on while it is backed up
        if stat.S_ISREG(facts.st_mode):
            self._add_file(path, name)
        elif stat.S_ISDIR(facts.st_mode) or stat.S_ISLNK(facts.st_mode):
            self._tar.addfile(self._tar.gettarinfo(str(path), name))

    def add_tree(self, root: Path, name: str) -> None:
        """Add a folder with all below it; in a repository the refs come before the objects.

        Objects only grow, so every ref that was read finds its own.
        """
        self.add(root, name)
        if root.is_dir() and not root.is_symlink():
            entries = sorted(
                root.iterdir(), key=lambda entry: (entry.name == "objects", entry.name)
            )
            for entry in entries:
                self.add_tree(entry, f"{name}/{entry.name}")

    def add_json(self, name: str, value: object) -> None:
        """Add a small file made here."""
        data = json.dumps(value, indent=1).encode()
        info = tarfile.TarInfo(name)
        info.size, info.mode = len(data), 0o600
        self._tar.addfile(info, io.BytesIO(data))

    def finish(self) -> None:
        self.add_json(_CHECKSUMS, self._checksums)

    def _add_file(self, path: Path, name: str) -> None:
        with path.open("rb") as file:
            info = self._tar.gettarinfo(arcname=name, fileobj=file)
            info.type, info.linkname = tarfile.REGTYPE, ""  # a hard link is stored as a file again
            info.size = os.fstat(file.fileno()).st_size
            reader = _HashingReader(file)
            self._tar.addfile(info, reader)
        self._checksums[name] = reader.digest.hexdigest()


def _objects_last(entry: Path) -> tuple[bool, str]:
    return entry.name == "objects", entry.name


@contextmanager
def writing(path: Path, manifest: Manifest) -> Iterator[Writer]:
    """Write a backup of mode 0600 that appears at `path` when it is complete.

    Raises:
        OSError: it cannot be written.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with (
            os.fdopen(handle, "wb") as file,
            gzip.GzipFile(
                filename="", fileobj=file, mode="wb", compresslevel=_COMPRESSION
            ) as packed,
        ):
            with tarfile.open(fileobj=packed, mode="w|", format=tarfile.PAX_FORMAT) as tar:
                writer = Writer(tar)
                writer.add_json(_MANIFEST, asdict(manifest))
                yield writer
                writer.finish()
            packed.flush()
            os.fsync(file.fileno())
        draft.rename(path)
    finally:
        draft.unlink(missing_ok=True)


def read_manifest(path: Path) -> Manifest:
    """What the backup says it is.

    Raises:
        ArchiveError: it is no backup, or of another format.
    """
    with _opened(path) as tar:
        return _read_manifest(tar, tar.next())


def unpack(path: Path, target: Path, owner: Callable[[int], int | None]) -> None:
    """Unpack a backup into the empty folder `target`, trusting nothing in it.

    Args:
        owner: the user id here for one of the backup's files, None for this process's own.

    Raises:
        ArchiveError: it is no backup, of another format, damaged, or names paths outside.
        OSError: `target` cannot be written.
    """
    with _opened(path) as tar:
        members = iter(tar)
        _read_manifest(tar, next(members, None))
        _unpack(tar, members, target, owner)


@contextmanager
def _opened(path: Path) -> Iterator[tarfile.TarFile]:
    try:
        with tarfile.open(path, "r|gz") as tar:
            yield tar
    except FileNotFoundError:
        raise ArchiveError(f"There is no file {path}.") from None
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile, ValueError, TypeError) as bad:
        raise ArchiveError(
            f"{path} is no whole backup of paas ({bad}). Use another backup."
        ) from bad


def _unpack(
    tar: tarfile.TarFile,
    members: Iterator[tarfile.TarInfo],
    target: Path,
    owner: Callable[[int], int | None],
) -> None:
    late: list[tarfile.TarInfo] = []
    digests: dict[str, str] = {}
    expected: dict[str, str] | None = None
    for member in members:
        if member.name == _CHECKSUMS:
            expected = _read_json(tar, member)
            continue
        path = target / _safe(member.name)
        if member.isreg():
            digests[member.name] = _write_file(tar, member, path)
            _give(path, owner(member.uid))
        elif member.isdir():
            path.mkdir(parents=True, exist_ok=True)
            late.append(member)
        elif member.issym():
            late.append(member)
        else:
            raise ArchiveError(f"The backup holds {member.name!r}, which is no file.")
    if expected != digests:
        raise ArchiveError("The backup is damaged: its files and its checksums differ.")
    for member in late:
        _finish(target / _safe(member.name), member, owner(member.uid))


def _finish(path: Path, member: tarfile.TarInfo, owner: int | None) -> None:
    """Links come last, so that no file is written through one; folders keep their times so."""
    if member.issym():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(member.linkname)
    else:
        path.chmod(member.mode & 0o777)
    _give(path, owner)


def _give(path: Path, owner: int | None) -> None:
    if owner is not None:
        os.chown(path, owner, owner, follow_symlinks=False)


def _read_manifest(tar: tarfile.TarFile, member: tarfile.TarInfo | None) -> Manifest:
    if member is None or member.name != _MANIFEST:
        raise ArchiveError("The file is no backup of paas: it does not begin with a manifest.")
    found = _read_json(tar, member)
    if found.get("format") != FORMAT:
        raise ArchiveError(
            f"The backup has format {found.get('format')}, this paas reads {FORMAT}. "
            f"Use the version it was made with: {found.get('version')}."
        )
    return Manifest(**found)


def _read_json(tar: tarfile.TarFile, member: tarfile.TarInfo) -> dict[str, Any]:
    file = tar.extractfile(member)
    found = json.load(file) if file else None
    if not isinstance(found, dict):
        raise ArchiveError(f"The backup's {member.name} is not what it should be.")
    return found


def _safe(name: str) -> PurePosixPath:
    """A path that stays inside, whatever folder it is laid in."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or not path.parts:
        raise ArchiveError(f"The backup names a path outside of it: {name!r}. It is not ours.")
    return path


def _write_file(tar: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    source = tar.extractfile(member)
    if source is None:
        raise ArchiveError(f"The backup's {member.name!r} cannot be read.")
    digest = hashlib.sha256()
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, member.mode & 0o777)
    with os.fdopen(handle, "wb") as file:
        while block := source.read(1024 * 1024):
            digest.update(block)
            file.write(block)
        file.flush()
        os.fchmod(file.fileno(), member.mode & 0o777)
        os.utime(file.fileno(), (member.mtime, member.mtime))  # Python's .pyc files go by it
    return digest.hexdigest()
