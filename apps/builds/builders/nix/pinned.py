"""Locks that carry hashes: each entry is a store path of its own, known before it is fetched.

What the store has is not fetched again, whichever lock names it. A lock that
does not say enough (git dependencies, entries without a hash) is fetched as a
whole by its own tool, see `fetch`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from apps.builds.builders.nix import crates, gems, npm_lock, pnpm_lock, yarn_lock
from apps.builds.builders.nix.entries import Contents, Pinned
from apps.builds.builders.nix.fetch import Fetcher
from buildpacks.plan import Phase

_READERS: Mapping[str, Callable[[Fetcher, Phase, Contents], Pinned | None]] = {
    "Cargo.lock": crates.pin,
    "Gemfile.lock": gems.pin,
    "npm-shrinkwrap.json": npm_lock.pin,
    "package-lock.json": npm_lock.pin,
    "pnpm-lock.yaml": pnpm_lock.pin,
    "yarn.lock": yarn_lock.pin,
}


def pin(fetcher: Fetcher, phase: Phase, contents: Contents) -> Pinned | None:
    """What is to be done in the place of `phase`, with all it needs in the store; None if it
    must be run.

    Args:
        phase: the one that fetches; its first file is the lock.
        contents: its files.

    Raises:
        BuildFailed: an entry cannot be downloaded, or has another hash than the lock says.
    """
    read = _READERS.get(phase.files[0])
    return read(fetcher, phase, contents) if read is not None else None
