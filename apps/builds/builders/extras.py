"""What a phase asks for besides commands: folders kept between builds, packages of others."""

from __future__ import annotations

import hashlib
import posixpath
from collections.abc import Iterator
from pathlib import Path

from buildpacks.plan import Phase, Plan
from paas.sandbox import Bind, make_folder


def ignored(plan: Plan) -> Iterator[str]:
    """Warnings: what the plan asks for and this builder cannot give."""
    packages = [name for phase in plan.phases for name in (*phase.packages, *phase.libraries)]
    if packages:
        yield (
            f"Ignored: the Nix packages {_listed(packages)}. This server builds with its own "
            "tools, so only what is installed on it is there; the Nix builder installs them. "
            "Ask the administrator to install them or to switch to the Nix builder."
        )
    apt = [name for phase in plan.phases for name in phase.apt_packages]
    if apt:
        yield (
            f"Ignored: the apt packages {_listed(apt)}. No app may change the server's system. "
            "Ask the administrator to install them on the server."
        )
    outside = [path for phase in plan.phases for path in phase.cache_directories if not _name(path)]
    if outside:
        yield (
            f"Ignored: the cache directories {_listed(outside)}. Only folders below /app, which "
            "is also the home folder of a build, are kept. Write them relative to it."
        )


def cache_binds(phase: Phase, tree: Path, folder: Path, user: int | None) -> tuple[Bind, ...]:
    """The phase's cache directories, kept in `folder` and shown in the app.

    A name that is a link or a file in `tree` is passed over: mounting there
    would follow it out of the tree.
    """
    names = (_name(path) for path in phase.cache_directories)
    return tuple(
        Bind(_kept(folder, name, user), f"/app/{name}", writable=True)
        for name in dict.fromkeys(names)
        if name and _made(tree, name, user)
    )


def _kept(folder: Path, name: str, user: int | None) -> Path:
    return make_folder(folder / hashlib.sha256(name.encode()).hexdigest()[:32], user)


def _name(path: str) -> str:
    """`path` relative to /app; "" for a place outside."""
    below = path.removeprefix("~/").removeprefix("/app/")
    name = posixpath.normpath(below)
    return "" if name.startswith(("/", "..", "~")) or name == "." else name


def _made(tree: Path, name: str, user: int | None) -> bool:
    """Whether `name` is a folder of the tree, made where nothing was; no link is followed."""
    path = tree
    for part in name.split("/"):
        path /= part
        if path.is_symlink() or (path.exists() and not path.is_dir()):
            return False
        if not path.exists():
            make_folder(path, user)
    return True


def _listed(names: list[str]) -> str:
    return ", ".join(dict.fromkeys(names))[:300]
