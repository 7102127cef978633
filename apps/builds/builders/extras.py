"""What a phase asks for besides commands: folders kept between builds, packages of others."""

from __future__ import annotations

import hashlib
import posixpath
from collections.abc import Iterator
from pathlib import Path

from apps.builds.builders.base import BuildFailed
from buildpacks.plan import Phase, Plan
from paas.sandbox import Bind, make_folder

# Debian's names that nixpkgs spells otherwise
_NIX_NAMES = {
    "build-essential": "gcc",
    "chromium-browser": "chromium",
    "default-jre": "jre",
    "fonts-liberation": "liberation_ttf",
    "g++": "gcc",
    "libcurl4-openssl-dev": "curl",
    "libffi-dev": "libffi",
    "libgl1": "libGL",
    "libjpeg-dev": "libjpeg",
    "libmagic1": "file",
    "libmagickwand-dev": "imagemagick",
    "libpq-dev": "libpq",
    "libpq5": "libpq",
    "libssl-dev": "openssl",
    "libxml2-dev": "libxml2",
    "libxslt1-dev": "libxslt",
    "postgresql-client": "postgresql",
    "sqlite3": "sqlite",
    "wkhtmltopdf": "wkhtmltopdf",
    "zlib1g-dev": "zlib",
}


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


def refuse_apt(plan: Plan, package_set: str) -> None:
    """Raises BuildFailed when the plan asks for apt packages, which no Nix build can have."""
    asked = [name for phase in plan.phases for name in phase.apt_packages]
    if asked:
        names = ", ".join(dict.fromkeys(_NIX_NAMES.get(name, name) for name in asked))
        raise BuildFailed(
            f"aptPkgs are not to be had: {_listed(asked)}",
            f"This server builds with Nix, from the package set `{package_set}`.",
            f"Write them as nixPkgs (programs) or nixLibs (libraries) in nixpacks.toml: {names}. "
            "docs/nix.md tells how to find a name.",
        )


def cached_names(phase: Phase) -> Iterator[str]:
    """The phase's cache directories below /app, relative to it."""
    yield from (name for path in phase.cache_directories if (name := _name(path)))


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
