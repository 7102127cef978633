"""Where tests build by Nix: never in the machine's store."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
from pathlib import Path

import pytest

_NEEDED = {"nix-store": "nix-bin", "apt-get": "apt"}


@functools.cache
def unusable(*, by_root: bool = True) -> str:
    """Why the package set `debian` cannot be built here; "" if it can.

    Args:
        by_root: whether that is what is to be tried; else a plain user's way is.
    """
    missing = [package for name, package in _NEEDED.items() if shutil.which(name) is None]
    if missing:
        return f"needs {', '.join(missing)}"
    if by_root is not (os.geteuid() == 0):
        return "builds by Nix are tried as root" if by_root else "root's way is tried elsewhere"
    known = subprocess.run(["apt-cache", "show", "busybox-static"], capture_output=True)
    return "" if known.returncode == 0 else "apt knows no packages: run apt-get update"


def shared_store(factory: pytest.TempPathFactory) -> Path:
    """One store for all processes of a test run, empty when it begins.

    What the package set needs is downloaded and built once.
    """
    base = factory.getbasetemp()
    shared = base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base
    return shared / "nix-store"
