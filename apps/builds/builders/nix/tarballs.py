"""npm's packages by the SHA-512 that locks carry, whichever tool wrote the lock.

npm fetches what the store has not, into a cache that files it by hash, and so
checks every one.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from apps.builds.builders.nix import entries
from apps.builds.builders.nix.entries import Contents, Entry
from apps.builds.builders.nix.fetch import Fetcher, kept
from buildpacks.plan import Phase

ALGORITHM = "sha512"
PLATFORM = {"os": "linux", "cpu": "x64", "libc": "glibc"}
SETTINGS = ".npmrc"
_CACHE = "/deps/npm"
_FETCH = f"npm ci --ignore-scripts --no-bin-links --no-audit --no-fund --cache {_CACHE}"


@dataclass(frozen=True)
class Tarball:
    """One package; `digest` is in hexadecimal, `resolved` where it lies, if the lock says so."""

    name: str
    version: str
    digest: str
    resolved: str | None = None

    @property
    def entry(self) -> Entry:
        name = self.name.removeprefix("@").replace("/", "-")
        return Entry(f"{name}-{self.version}.tgz", self.digest, ALGORITHM)

    @property
    def integrity(self) -> str:
        return f"{ALGORITHM}-{base64.b64encode(bytes.fromhex(self.digest)).decode()}"


def digest_of(integrity: str) -> str:
    """The hexadecimal form of an entry's `integrity`.

    Raises:
        ValueError: it is not one SHA-512.
    """
    algorithm, _, encoded = integrity.partition("-")
    if algorithm != ALGORITHM:
        raise ValueError(f"{integrity} is no {ALGORITHM}")
    digest = base64.b64decode(encoded, validate=True)
    if len(digest) != 64:
        raise ValueError(f"{integrity} is too short")
    return digest.hex()


def allows(listed: list[str] | None, here: str) -> bool:
    """Whether a package's `os`, `cpu` or `libc` fits what is here."""
    if not listed:
        return True
    return here in listed or (f"!{here}" not in listed and any(one[:1] == "!" for one in listed))


def provide(
    fetcher: Fetcher, phase: Phase, contents: Contents, tarballs: Iterable[Tarball]
) -> None:
    """See that all of them are in the store.

    Args:
        phase: the lock's own fetch phase.
        contents: its files; npm's settings are among them where the tree has any.

    Raises:
        BuildFailed: a package cannot be downloaded, or has another hash.
    """
    lock, known = phase.files[0], {one.entry: one for one in tarballs}
    absent = entries.missing(fetcher, known)
    if not absent:
        return
    here = len({one.path for one in known}) - len(absent)
    title = f"Fetching {len(absent)} packages of {lock}" + (f" ({here} are here)" if here else "")
    manager = {"pnpm-lock.yaml": "pnpm", "yarn.lock": "yarn"}.get(lock, "npm")
    download = Phase(
        "fetch",
        commands=(_FETCH,),
        network=True,
        results=(_CACHE,),
        inert=phase.inert,
        hint=f"If npm says that a hash is wrong: run `{manager} install` and commit {lock}.",
    )
    files = _flat_lock([known[one] for one in absent])
    if SETTINGS in contents:
        files[SETTINGS] = contents[SETTINGS]
    layer = fetcher.layer(download, files, title)
    cache = kept(layer, _CACHE) / "_cacache/content-v2" / ALGORITHM
    found = {one: _filed(cache, one) for one in absent}
    fix = f"Run `{manager} install`, look at what changed, and commit {lock}."
    entries.add(fetcher, absent, found, lock, fix)


def _filed(cache: Path, one: Entry) -> Path:
    return cache / one.digest[:2] / one.digest[2:4] / one.digest[4:]


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
    return {
        "package.json": json.dumps(manifest).encode(),
        "package-lock.json": json.dumps(lock).encode(),
    }
