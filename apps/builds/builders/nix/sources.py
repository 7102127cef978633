"""Put into the store what a package set is made of, before Nix asks for it.

A package set from registries (`nix/packages/debian`) names its sources as
fixed-output derivations that nothing can build. Whatever of them a build needs
and the store has not is downloaded here, by the registry's own client, and
added under the same hash; a wrong byte would give another path.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from apps.builds.builders.base import BuildFailed
from apps.builds.builders.environment import network_variables
from paas.nix.store import Store, failure
from paas.nix.tied import tied

BUILDER = "/missing-source"
"""The builder of a derivation that only this module can provide."""
RELOCK = "nix/packages/debian/relock"
_TIMEOUT = 600.0
_PLATFORMS = ("musllinux_1_1", "manylinux_2_17", "manylinux_2_28")


@dataclass(frozen=True)
class Source:
    """One file of a registry: `path` is where the store must have it, `name` its file's name."""

    path: str
    name: str
    registry: str
    package: str
    version: str


def provide(store: Store, wanted: Iterable[str], tmp: Path) -> list[Source]:
    """Add the sources that building the derivations `wanted` needs and the store has not.

    Args:
        tmp: a folder of the caller's, where they are downloaded.

    Returns:
        what was downloaded.

    Raises:
        BuildFailed: a registry does not answer, or has it no more.
    """
    sources = missing(store, wanted)
    by_registry = defaultdict(list)
    for source in sources:
        by_registry[source.registry].append(source)
    for registry, group in by_registry.items():
        tmp.mkdir(parents=True, exist_ok=True, mode=0o755)
        with tempfile.TemporaryDirectory(prefix="sources-", dir=tmp) as folder:
            _DOWNLOADS[registry](store, Path(folder), group)
    return sources


def missing(store: Store, wanted: Iterable[str]) -> list[Source]:
    """The sources among what would have to be built for the derivations `wanted`."""
    left = unbuilt(store, wanted)
    if not left:
        return []
    shown: dict[str, Any] = json.loads(store.run("nix", "show-derivation", "--", *left))
    variables = [one["env"] for one in shown.values() if one["builder"] == BUILDER]
    return [
        Source(env["out"], env["name"], env["from"], env["pname"], env["version"])
        for env in variables
    ]


def unbuilt(store: Store, wanted: Iterable[str]) -> list[str]:
    """The derivations that would have to be built; Nix tells on standard error."""
    store.prepare()
    done = subprocess.run(
        ["nix-store", "--realise", "--dry-run", *wanted],
        env=store.environment(),
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        raise failure("nix-store --realise --dry-run", done.returncode, done.stderr)
    before_fetched = done.stderr.partition(" will be fetched")[0]
    return [line.strip() for line in before_fetched.splitlines() if line.strip().endswith(".drv")]


def _from_apt(store: Store, folder: Path, group: list[Source]) -> None:
    _apt_download(folder, group)
    for source in group:
        (deb,) = folder.glob(f"{source.package}_*.deb")
        deb.rename(folder / source.name)
    _add(store, folder, group)


def _apt_download(folder: Path, group: list[Source]) -> None:
    names = [f"{one.package}={one.version}" for one in group]
    argv = ["apt-get", "-qq", "-o", "APT::Sandbox::User=root", "download", *names]
    _run(argv, folder, f"a version of {', '.join(names)[:300]}")


def _from_pypi(store: Store, folder: Path, group: list[Source]) -> None:
    for source in group:
        argv = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        argv += ["--disable-pip-version-check", "--only-binary=:all:", "--dest", "."]
        argv += [f"--platform={one}_{os.uname().machine}" for one in _PLATFORMS]
        requirement = f"{source.package}=={source.version}"
        _run([*argv, "--", requirement], folder, requirement)
    _add(store, folder, group)


def _seed(store: Store, folder: Path, group: list[Source]) -> None:
    """Busybox, which unpacks everything else, taken out of its package by dpkg."""
    _apt_download(folder, group)
    for source in group:
        (deb,) = folder.glob(f"{source.package}_*.deb")
        _run(["dpkg-deb", "--extract", deb.name, "all"], folder, deb.name)
        program = folder / source.name / "bin/busybox"
        program.parent.mkdir(parents=True)
        shutil.move(folder / "all/bin/busybox", program)
        _check(source, store.add(folder / source.name, source.name))


_DOWNLOADS = {"apt": _from_apt, "pypi": _from_pypi, "seed": _seed}


def _add(store: Store, folder: Path, group: list[Source]) -> None:
    added = store.add_fixed("sha256", [folder / source.name for source in group])
    for source, path in zip(group, added, strict=True):
        _check(source, path)


def _check(source: Source, path: str) -> None:
    if path != source.path:
        raise BuildFailed(
            f"{source.package} {source.version} is not what was locked",
            f"Its file has another hash than the lock of the package set says ({source.registry}).",
            f"Ask the administrator to find out why, or to lock it anew with {RELOCK}.",
        )


def _run(argv: list[str], folder: Path, what: str) -> None:
    env = {**network_variables(), "PATH": os.environ.get("PATH", os.defpath), "HOME": str(folder)}
    try:
        subprocess.run(
            tied(argv),
            cwd=folder,
            env=env,
            check=True,
            capture_output=True,
            timeout=_TIMEOUT,
            text=True,
        )
    except FileNotFoundError:
        raise BuildFailed(
            f"{argv[0]} is not installed on this server",
            "The package set `debian` is made of Debian's packages.",
            "Ask the administrator to use the package set `nixpkgs`, or a server with Debian.",
        ) from None
    except subprocess.SubprocessError as error:
        said = (getattr(error, "stderr", "") or str(error)).strip().splitlines()
        raise BuildFailed(
            f"A part of the package set could not be downloaded: {what}",
            said[-1][:300] if said else "The registry did not answer.",
            "Try again. If it is offered no more, ask the administrator to run "
            f"`apt-get update` and {RELOCK}.",
        ) from None
