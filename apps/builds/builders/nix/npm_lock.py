"""package-lock.json (npm-shrinkwrap.json): rewritten to name store paths, for `npm ci` offline."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from apps.builds.builders.nix import tarballs
from apps.builds.builders.nix.entries import Contents, Pinned
from apps.builds.builders.nix.fetch import Fetcher
from apps.builds.builders.nix.tarballs import Tarball
from buildpacks.plan import Phase


def pin(fetcher: Fetcher, phase: Phase, contents: Contents) -> Pinned | None:
    """As `pinned.pin`."""
    name = phase.files[0]
    try:
        lock = json.loads(contents[name])
        entries = {key: entry for key, entry in lock["packages"].items() if _is_fetched(key, entry)}
        wanted = {key: _tarball(key, entry) for key, entry in entries.items()}
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    tarballs.provide(fetcher, phase, contents, wanted.values())
    for key, one in wanted.items():
        entries[key]["resolved"] = f"file:{one.entry.path}"
    return Pinned(
        {**contents, name: json.dumps(lock).encode()},
        tuple(f"{command} --offline" for command in phase.commands),
        tuple(sorted({one.entry.path for one in wanted.values()})),
    )


def _is_fetched(key: str, entry: Mapping[str, Any]) -> bool:
    """Not what lies in the tree or is a part of something else, nor what npm leaves out here."""
    inside = "node_modules/" not in key or entry.get("link") or entry.get("inBundle")
    inside = inside or str(entry.get("resolved", "")).startswith("file:")
    fits = all(tarballs.allows(entry.get(field), here) for field, here in tarballs.PLATFORM.items())
    return not inside and fits


def _tarball(key: str, entry: Mapping[str, Any]) -> Tarball:
    """Raises ValueError for a package whose hash the lock does not carry."""
    name = str(entry.get("name") or key.rpartition("node_modules/")[2])
    digest = tarballs.digest_of(str(entry.get("integrity", "")))
    return Tarball(name, str(entry["version"]), digest, entry.get("resolved"))
