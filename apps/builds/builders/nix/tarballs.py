"""The packages of package-lock.json, each a store path named by the hash in the lock.

npm fetches what the store has not, into a cache that files it by hash, and so
checks every one. The lock is then rewritten to name the store paths, with
which `npm ci` installs offline inside a derivation. A lock that npm does not
write so (git dependencies, no hashes) is None here: it is fetched as a whole.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from apps.builds.builders.base import BuildFailed
from apps.builds.builders.nix.fetch import Fetcher, kept
from apps.builds.builders.nix.paths import fixed_path, safe_name
from buildpacks.plan import Phase

LOCK = "package-lock.json"
_ALGORITHM = "sha512"
_CACHE = "/deps/npm"
_PLATFORM = {"os": "linux", "cpu": "x64", "libc": "glibc"}
_FETCH = f"npm ci --ignore-scripts --no-bin-links --no-audit --no-fund --cache {_CACHE}"


@dataclass(frozen=True)
class Tarball:
    """One package: its name and version, its SHA-512 in hexadecimal, and where it lies."""

    name: str
    version: str
    digest: str
    resolved: str | None

    @property
    def file(self) -> str:
        return safe_name(f"{self.name.removeprefix('@').replace('/', '-')}-{self.version}.tgz")

    @property
    def path(self) -> str:
        return fixed_path(self.file, _ALGORITHM, self.digest)

    @property
    def integrity(self) -> str:
        return f"{_ALGORITHM}-{base64.b64encode(bytes.fromhex(self.digest)).decode()}"


def rewrite(
    fetcher: Fetcher, contents: Mapping[str, bytes]
) -> tuple[dict[str, bytes], tuple[str, ...]] | None:
    """The same files with a lock that names store paths, and these, all of which are there.

    Raises:
        BuildFailed: a package cannot be downloaded, or has another hash than the lock says.
    """
    try:
        lock = json.loads(contents[LOCK])
        entries = {key: entry for key, entry in lock["packages"].items() if _is_fetched(key, entry)}
        wanted = {key: _tarball(key, entry) for key, entry in entries.items()}
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    _provide(fetcher, list({one.digest: one for one in wanted.values()}.values()))
    for key, one in wanted.items():
        entries[key]["resolved"] = f"file:{one.path}"
    paths = tuple(sorted({one.path for one in wanted.values()}))
    return {**contents, LOCK: json.dumps(lock).encode()}, paths


def _is_fetched(key: str, entry: Mapping[str, Any]) -> bool:
    """Not what is a link or a part of something else, nor what npm leaves out on this platform."""
    inside = "node_modules/" not in key or entry.get("link") or entry.get("inBundle")
    fits = all(_allows(entry.get(field), here) for field, here in _PLATFORM.items())
    return not inside and fits


def _allows(listed: list[str] | None, here: str) -> bool:
    if not listed:
        return True
    return here in listed or (f"!{here}" not in listed and any(one[:1] == "!" for one in listed))


def _tarball(key: str, entry: Mapping[str, Any]) -> Tarball:
    """Raises ValueError for a package whose hash the lock does not carry."""
    algorithm, _, encoded = str(entry.get("integrity", "")).partition("-")
    if algorithm != _ALGORITHM:
        raise ValueError(f"{key} has no {_ALGORITHM}")
    name = str(entry.get("name") or key.rpartition("node_modules/")[2])
    digest = base64.b64decode(encoded, validate=True).hex()
    return Tarball(name, str(entry["version"]), digest, entry.get("resolved"))


def _provide(fetcher: Fetcher, tarballs: list[Tarball]) -> None:
    store = fetcher.store
    missing = [one for one in tarballs if not os.path.lexists(store.physical(one.path))]
    if not missing:
        return
    phase = Phase(
        "fetch",
        commands=(_FETCH,),
        network=True,
        results=(_CACHE,),
        inert=True,
        hint=f"If npm says that a hash is wrong: run `npm install` and commit {LOCK}.",
    )
    known = len(tarballs) - len(missing)
    title = f"Fetching {len(missing)} packages of {LOCK}" + (
        f" ({known} are here)" if known else ""
    )
    layer = fetcher.layer(phase, _flat_lock(missing), title)
    cache = kept(layer, _CACHE) / "_cacache/content-v2" / _ALGORITHM
    folder = fetcher.job.tree.parent / "tarballs"
    folder.mkdir(exist_ok=True)
    try:
        files = [_taken(cache, folder, one) for one in missing]
        added = store.add_fixed(_ALGORITHM, files)
    finally:
        shutil.rmtree(folder)
    for one, path in zip(missing, added, strict=True):
        if path != one.path:
            raise _altered(one)


def _taken(cache: Path, folder: Path, one: Tarball) -> Path:
    target = folder / one.file
    try:
        shutil.copy(cache / one.digest[:2] / one.digest[2:4] / one.digest[4:], target)
    except FileNotFoundError:
        raise _altered(one) from None
    return target


def _flat_lock(tarballs: list[Tarball]) -> dict[str, bytes]:
    """A lock by which npm downloads just these, whatever they depend on."""
    packages: dict[str, Any] = {}
    wanted: dict[str, str] = {}
    for number, one in enumerate(tarballs):
        alias = f"package-{number}"
        wanted[alias] = f"npm:{one.name}@{one.version}"
        packages[f"node_modules/{alias}"] = {
            "name": one.name,
            "version": one.version,
            "integrity": one.integrity,
            **({"resolved": one.resolved} if one.resolved else {}),
        }
    manifest = {"name": "fetched", "version": "1.0.0", "dependencies": wanted}
    lock = {**manifest, "lockfileVersion": 3, "packages": {"": manifest, **packages}}
    return {"package.json": json.dumps(manifest).encode(), LOCK: json.dumps(lock).encode()}


def _altered(one: Tarball) -> BuildFailed:
    return BuildFailed(
        f"{one.name} {one.version} is not what {LOCK} names",
        "The registry gave a package with another hash.",
        f"Run `npm install`, look at what changed, and commit {LOCK}.",
    )
