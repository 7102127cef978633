"""Reading a pushed tree without trusting it.

Every look into the tree goes through `SourceTree`: links that lead out of it,
devices, sockets and pipes are never opened, and no file is read beyond a cap.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from buildpacks.errors import PlanError, shown

MAX_FILE = 1024 * 1024  # bytes; no file that people write by hand comes near it
MAX_LOCK = 16 * 1024 * 1024
MAX_GLANCE = 256 * 1024


@dataclass(frozen=True)
class SourceTree:
    """A folder that holds the pushed commit; hostile until proven otherwise.

    Paths are relative to `root` and use "/". Methods raise PlanError for a
    path that exists and may not be read.
    """

    root: Path

    @cached_property
    def entries(self) -> frozenset[str]:
        """The names at the top of the tree."""
        return frozenset(os.listdir(self.root))  # noqa: PTH208 - names, not paths: 10x faster

    @cached_property
    def _real_root(self) -> Path:
        return self.root.resolve()

    def is_file(self, path: str) -> bool:
        """Whether `path` is a regular file, or a link to one inside the tree."""
        found = self._locate(path)
        return found is not None and found.is_file()

    def is_dir(self, path: str) -> bool:
        """Whether `path` is a folder, or a link to one inside the tree."""
        found = self._locate(path)
        return found is not None and found.is_dir()

    def folders(self) -> list[str]:
        """The visible folders at the top of the tree, sorted; links are left out."""
        with os.scandir(self.root) as entries:
            return sorted(
                entry.name
                for entry in entries
                if entry.is_dir(follow_symlinks=False) and not entry.name.startswith(".")
            )

    def names(self, folder: str) -> list[str]:
        """The names in `folder`, sorted; empty when it is no folder."""
        found = self._locate(folder)
        if found is None or not found.is_dir():
            return []
        return sorted(os.listdir(found))  # noqa: PTH208

    def read(self, path: str, limit: int = MAX_FILE) -> str | None:
        """The text of `path` with "\\n" line ends and no byte order mark; None when there is none.

        Args:
            limit: the most bytes the file may have.

        Raises:
            PlanError: the file is too large, or not UTF-8 text.
        """
        content = self._bytes(path, limit)
        if content is None:
            return None
        if len(content) > limit:
            raise PlanError(
                "too large",
                why=f"It has more than {limit // 1024} KiB, which no file of its kind needs.",
                fix=f"Make {shown(path)} smaller, or remove it from the repository.",
                file=shown(path),
            )
        return _decoded(content, path)

    def glance(self, path: str) -> str:
        """The beginning of a source file to search in, whatever its encoding; "" without one."""
        text = (self._bytes(path, MAX_GLANCE) or b"").decode("utf-8", "replace")
        return text.replace("\r\n", "\n")

    def _bytes(self, path: str, limit: int) -> bytes | None:
        """At most `limit` bytes and one more of the file `path`; None when there is none."""
        found = self._locate(path)
        if found is None or not found.is_file():
            return None
        # O_NONBLOCK: a pipe put here since must not hang us
        descriptor = os.open(found, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            return file.read(limit + 1)

    def _locate(self, path: str) -> Path | None:
        """The real place of `path`, None when nothing is there."""
        first = path.split("/", 1)[0]
        if first not in {"", ".", ".."} and first not in self.entries:
            return None
        try:
            found = (self._real_root / path).resolve(strict=True)
        except (FileNotFoundError, NotADirectoryError):
            if (self.root / path).is_symlink():
                raise _unreadable(path, "a link to a file that is not there") from None
            return None
        except (OSError, RuntimeError, ValueError):
            raise _unreadable(path, "cannot be looked up") from None
        if not found.is_relative_to(self._real_root):
            raise _unreadable(path, "leads out of the repository")
        mode = found.stat().st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
            raise _unreadable(path, "neither a file nor a folder")
        return found


def _unreadable(path: str, reason: str) -> PlanError:
    return PlanError(
        reason,
        why="Only the regular files of the repository itself are read.",
        fix=f"Replace {shown(path)} with a regular file, or remove it, and commit that.",
        file=shown(path),
    )


def _decoded(content: bytes, path: str) -> str:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        wide = content[:2] in (b"\xff\xfe", b"\xfe\xff")
        raise PlanError(
            "not UTF-8 text",
            why="It is saved as UTF-16."
            if wide
            else f"The byte at position {error.start} is no UTF-8.",
            fix=f"Save {shown(path)} as UTF-8 in your editor and commit it. (A redirect in "
            "PowerShell writes UTF-16.)",
            file=shown(path),
        ) from None
    if "\0" in text:
        raise PlanError(
            "holds a NUL byte",
            why="It is not a text file, or it is saved as UTF-16.",
            fix=f"Save {shown(path)} as UTF-8 in your editor and commit it.",
            file=shown(path),
        )
    return text.replace("\r\n", "\n").replace("\r", "\n")
