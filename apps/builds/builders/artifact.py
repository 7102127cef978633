"""The finished tree: measured, named by its contents, and moved to where it stays."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from apps.builds.builders.base import BuildFailed, HostArtifact, HostMount

MAX_BYTES = 4 * 1024**3
"""Size that the tree may have after the build."""
_RECORD = "artifact.json"
_CHUNK = 1024 * 1024


def digest(tree: Path, mounts: tuple[HostMount, ...]) -> str:
    """A SHA-256 over names, modes and contents, and over what is mounted.

    The same commit with the same dependencies gives the same digest:
    byte-code, which holds times, does not count.

    Raises:
        BuildFailed: the tree is too large, or the build has locked parts of it away.
    """
    total = hashlib.sha256()
    size = 0
    try:
        for name, path, facts in entries(tree):
            size += facts.st_size
            if size > MAX_BYTES:
                raise _too_large()
            total.update(f"{stat.S_IFMT(facts.st_mode)} {facts.st_mode & 0o111:o} ".encode())
            total.update(os.fsencode(name) + b"\0" + _contents(path, facts) + b"\0")
    except PermissionError as error:
        raise _unreadable(error) from None
    for mount in mounts:
        total.update(f"{mount.source}\0{mount.target}\0".encode())
    return f"sha256:{total.hexdigest()}"


def keep(tree: Path, folder: Path, artifact: HostArtifact) -> None:
    """Move `tree` to `artifact.path`, with a record of it beside, by renames.

    Safe to repeat after a crash. `folder` is the artifact's own.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    tree.rename(artifact.path)
    record = folder / f".{_RECORD}"
    record.write_text(json.dumps(asdict(artifact), indent=2) + "\n")
    record.rename(folder / _RECORD)


def entries(tree: Path) -> Iterator[tuple[str, str, os.stat_result]]:
    """Name, path and facts of everything below `tree` but byte-code, in a fixed order.

    No link is followed, and no recursion used: a build can nest folders
    deeper than Python's stack goes.
    """
    root = str(tree)
    waiting = [""]
    while waiting:
        folder = waiting.pop()
        try:
            with os.scandir(f"{root}/{folder}") as found:
                children = sorted((e.name, e.path, e.stat(follow_symlinks=False)) for e in found)
        except OSError as error:  # shut away, or nested deeper than a path may be long
            raise _unreadable(error) from None
        for entry, path, facts in children:
            name = f"{folder}/{entry}" if folder else entry
            if stat.S_ISDIR(facts.st_mode):
                if entry == "__pycache__":
                    continue
                waiting.append(name)
            yield name, path, facts


def _contents(path: str, facts: os.stat_result) -> bytes:
    """The digest of a file, the target of a link, nothing of other kinds."""
    if stat.S_ISLNK(facts.st_mode):
        return os.fsencode(Path(path).readlink())
    if not stat.S_ISREG(facts.st_mode):
        return b""
    with open(path, "rb", buffering=0, opener=_no_link) as file:
        return hashlib.file_digest(file, "sha256").digest()


def _no_link(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)


def _unreadable(error: OSError) -> BuildFailed:
    return BuildFailed(
        "The build left files that cannot be read",
        f"{str(error.filename)[:200]}: {error.strerror}.",
        "Do not take the right to read from files in the build, nor nest folders without end.",
    )


def _too_large() -> BuildFailed:
    return BuildFailed(
        f"The app is larger than {MAX_BYTES // 1024**3} GiB after the build",
        "It is copied and kept for each release.",
        "Delete what only the build needs at the end of the build, or keep data elsewhere.",
    )
