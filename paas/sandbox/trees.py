"""Folders that hostile code has written into: made, copied and removed."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from paas.sandbox.spec import SandboxError


def remove_tree(path: Path) -> None:
    """Remove `path` and all below it; harmless when it is gone.

    `rm`, not `shutil.rmtree`: a build can nest folders deeper than Python's
    recursion goes, and take its owner the right to enter them.

    Raises:
        SandboxError: something could not be removed.
    """
    if not os.path.lexists(path):
        return
    remove = ["rm", "-rf", "--one-file-system", "--", str(path)]
    if _run(remove).returncode == 0:
        return
    _run(["chmod", "-R", "u+rwX", "--", str(path)])
    done = _run(remove)
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise SandboxError(f"{path} could not be removed: {said[-1] if said else 'rm failed'}")


def make_folder(path: Path, uid: int | None) -> Path:
    """Create `path`, enterable by nobody but its owner `uid` (None: this process's user)."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    if uid is not None:
        os.chown(path, uid, uid)
    return path


def copy_tree(source: Path, target: Path) -> None:
    """Copy `source`'s contents into the folder `target`, owners and modes too.

    Raises:
        SandboxError: it failed (disk full).
    """
    done = _run(["cp", "-a", "--reflink=auto", "--", f"{source}/.", str(target)])
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise SandboxError(f"{source} could not be copied: {said[-1] if said else 'cp failed'}")


def give_tree(path: Path, uid: int | None) -> None:
    """Make everything in `path` its owner's to write, and `uid` its owner (None: it stays).

    Raises:
        SandboxError: it failed.
    """
    give = [] if uid is None else [["chown", "-hR", f"{uid}:{uid}", "--", str(path)]]
    for argv in (["chmod", "-R", "u+w", "--", str(path)], *give):
        done = _run(argv)
        if done.returncode:
            said = done.stderr.decode(errors="replace").strip()
            raise SandboxError(f"{path} could not be made writable: {said or argv[0]}")


def _run(argv: list[str]) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(argv, capture_output=True, check=False, stdin=subprocess.DEVNULL)
