"""Reads a pushed commit while it is still quarantined: its message, its tree, its archive.

git looks at the commit through a *lens*: an empty repository of ours whose
object folders are the pushed one's. So neither that repository's
configuration nor an attribute in the pushed tree (export-ignore,
export-subst, eol, ident, filter) changes a byte of what is deployed.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import shutil
import signal
from asyncio.subprocess import DEVNULL
from collections.abc import Mapping
from pathlib import Path

from paas.gateway import git

LARGEST_ARCHIVE = 2 * 1024 * 1024 * 1024
"""Bytes an unpacked tree may have; a small pack can hold a tree without end."""

_ARCHIVE_TIMEOUT = 300.0  # seconds
_LONGEST_MESSAGE = 64 * 1024
_LONGEST_LISTING = 64 * 1024 * 1024
_DRAFT = ".tmp"
_SUBMODULE_MODE = b"160000 "

_LENS = {
    "HEAD": "ref: refs/heads/none\n",
    "config": "[core]\n\trepositoryformatversion = 0\n\tbare = true\n",
    "info/attributes": (
        "* -export-ignore -export-subst -text -ident !eol !filter !working-tree-encoding\n"
    ),
}


class TreeError(Exception):
    """The commit cannot be read or archived; the text is fit for the user."""


def make_lens(folder: Path) -> Path:
    """Create the empty repository at `folder`; harmless when it is there."""
    for name in ("objects", "refs", "info"):
        (folder / name).mkdir(mode=0o700, parents=True, exist_ok=True)
    for name, text in _LENS.items():
        (folder / name).write_text(text)
    return folder


def remove_leftovers(repositories: Path, sources: Path) -> None:
    """Delete what pushes of a killed gateway left: half-written archives and quarantines.

    For the gateway's start only: quarantines of running pushes look the same.
    """
    for draft in sources.glob(f"*.tar{_DRAFT}"):
        draft.unlink(missing_ok=True)
    for quarantine in repositories.glob("*.git/objects/tmp_objdir-*"):
        shutil.rmtree(quarantine, ignore_errors=True)


class PushedObjects:
    """The objects of one repository and of one push's quarantine.

    Args:
        lens: made by `make_lens`.
        repository: the bare repository that is pushed to.
        environment: the hook's GIT_* variables.

    Raises:
        TreeError: the quarantine is not a folder of this repository.
    """

    def __init__(self, lens: Path, repository: Path, environment: Mapping[str, str]) -> None:
        objects = (repository / "objects").resolve()
        quarantine = environment.get("GIT_QUARANTINE_PATH")
        folders = [_inside(objects, quarantine), objects] if quarantine else [objects]
        self._environment = {
            **git.base_environment(),
            "GIT_DIR": str(lens),
            "GIT_OBJECT_DIRECTORY": str(folders[0]),
            "GIT_ALTERNATE_OBJECT_DIRECTORIES": ":".join(_quoted(f) for f in folders[1:]),
        }

    async def subject(self, commit: str) -> str:
        """The first line of the commit's message.

        Raises:
            TreeError: `commit` is not a commit.
        """
        answer = await git.read_start(
            ["git", "cat-file", "--batch"],
            self._environment,
            stdin=commit.encode() + b"\n",
            limit=_LONGEST_MESSAGE,
        )
        head, _, content = answer.partition(b"\n")
        if head.split(b" ")[1:2] != [b"commit"]:
            raise TreeError("what was pushed to the branch is not a commit")
        message = content.partition(b"\n\n")[2]
        return message.partition(b"\n")[0].decode("utf-8", "replace")

    async def submodules(self, commit: str) -> list[str]:
        """Paths of the submodules in the commit's tree; their content is not in the push."""
        listing = await git.read_start(
            ["git", "ls-tree", "-r", "-z", "--full-tree", commit],
            self._environment,
            limit=_LONGEST_LISTING,
        )
        rows = (row for row in listing.split(b"\0") if row.startswith(_SUBMODULE_MODE))
        return [os.fsdecode(row.partition(b"\t")[2]) for row in rows]

    async def archive(self, commit: str, target: Path) -> None:
        """Write the commit's tree as a tar to `target`, whole or not at all.

        Raises:
            TreeError: git could not, it took longer than five minutes, or the
                tree is larger than 2 GiB.
            OSError: the disk is full, or `target` cannot be written.
        """
        draft = target.with_name(target.name + _DRAFT)
        try:
            with draft.open("wb") as file:
                os.fchmod(file.fileno(), 0o600)
                await self._write_archive(commit, file.fileno())
                await asyncio.to_thread(os.fsync, file.fileno())
            draft.rename(target)
        finally:
            draft.unlink(missing_ok=True)

    async def _write_archive(self, commit: str, output: int) -> None:
        command = ["git", "-c", "tar.umask=0022", "archive", "--format=tar", commit]
        process = await git.start(command, self._environment, stdin=DEVNULL, stdout=output)
        with contextlib.suppress(ProcessLookupError):  # a small tree is written by now
            resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (LARGEST_ARCHIVE,) * 2)
        try:
            async with asyncio.timeout(_ARCHIVE_TIMEOUT):
                status = await process.wait()
        except TimeoutError as error:
            raise TreeError("writing the archive took longer than 5 minutes") from error
        finally:
            git.kill(process)
        if status != 0:
            raise TreeError(_archive_failure(status, output))


def _archive_failure(status: int, output: int) -> str:
    if status == -signal.SIGXFSZ:
        return "its files are larger than 2 GiB in all"
    if os.fstatvfs(output).f_bavail == 0:
        return "the disk is full"
    return f"git archive ended with status {status}; the gateway's log says why"


def _inside(objects: Path, quarantine: str) -> Path:
    path = Path(quarantine).resolve()
    if path.parent != objects:
        raise TreeError("git's quarantine lies outside the app's repository")
    return path


def _quoted(path: Path) -> str:
    """As git wants a path in a list: a colon in it would start the next one."""
    escaped = str(path).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
